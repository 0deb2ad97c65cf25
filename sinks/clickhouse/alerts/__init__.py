"""What ClickHouse knows of an alert: why it was raised, what was decided about it, when its report is due.

Reads     tables ledger, alerts, dispositions
Returns   facts, their texts, the report
Promises  reads only (DESIGN §7; AML law 191-IV, Art. 4, 10; box: sinks/clickhouse)
"""
