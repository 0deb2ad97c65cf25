"""From an organizer's raw messages to `accepted`, `rejected` and signed receipts (box: intake)."""
