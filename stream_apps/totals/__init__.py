"""Running totals per person and per person and organizer: `accepted` in, `ledger` out (box: totals)."""
