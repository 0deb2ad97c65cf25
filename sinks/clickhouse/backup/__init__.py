"""Backup and restore: ClickHouse's data with the offsets up to which they are whole (O9-4.5, O9-5.1; decision 0030)."""
