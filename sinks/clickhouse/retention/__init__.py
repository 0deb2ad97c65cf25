"""What may go and when, who holds it back, and how it goes (clause O9-4.7; box: sinks/clickhouse)."""
