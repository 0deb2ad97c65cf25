"""The Faust stream processors: each stage a pure function in a shell that all of them share."""
