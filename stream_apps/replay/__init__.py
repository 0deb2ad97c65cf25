"""Replay: what was committed is worked out anew by the stages' own functions, and compared; nothing is written."""
