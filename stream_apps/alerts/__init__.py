"""Compliance alerts: `ledger` in, `compliance.alerts` out (box: alerts)."""
