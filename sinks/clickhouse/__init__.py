"""ClickHouse: its tables, the exactly-once loader that fills them, and the proof that nothing is missing.

Reads     topics ledger, rejected, compliance.alerts, compliance.dispositions and every organizer's receipts
Writes    tables ledger, rejected, alerts, dispositions, receipts
Promises  each committed record is one row (DESIGN §5, §6; box: sinks/clickhouse)
"""
