-- What organizers were told (topics `organizer.<BIN>.receipts`): the signed bytes, and the counts that stand in them.
-- Deduplication window: 24 h of tokens as in 0001, of four organizers; with more of them a cycle takes longer.
CREATE TABLE IF NOT EXISTS receipts
(
    row               Int64 CODEC(T64, ZSTD(1)),
    received_at       DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    cause_topic       LowCardinality(String) CODEC(ZSTD(1)),
    cause_partition   Int32 CODEC(T64, ZSTD(1)),
    cause_offset      Int64 CODEC(T64, ZSTD(1)),
    organizer_bin     LowCardinality(String) CODEC(ZSTD(1)),
    through_offset    Int64 CODEC(T64, ZSTD(1)),
    content           String CODEC(ZSTD(1)),
    content_sha256    FixedString(32) CODEC(ZSTD(1)),
    issued_at         DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    key_id            LowCardinality(String) CODEC(ZSTD(1)),
    certificate       LowCardinality(String) CODEC(ZSTD(1)),
    signature         String CODEC(ZSTD(1)),
    from_offset       Int64 CODEC(T64, ZSTD(1)),
    accepted_count    Int64 CODEC(T64, ZSTD(1)),
    duplicate_count   Int64 CODEC(T64, ZSTD(1)),
    rejected_count    Int64 CODEC(T64, ZSTD(1)),
    held_count        Int64 CODEC(T64, ZSTD(1)),
    released_count    Int64 CODEC(T64, ZSTD(1)),
    receipt_topic     LowCardinality(String) CODEC(ZSTD(1)),
    receipt_partition Int32 CODEC(T64, ZSTD(1)),
    receipt_offset    Int64 CODEC(T64, ZSTD(1)),
    loaded_at         DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(ZSTD(1)),
    PROJECTION lanes
    (
        SELECT receipt_topic, receipt_partition, cause_topic, cause_partition, max(row), max(receipt_offset), count()
        GROUP BY receipt_topic, receipt_partition, cause_topic, cause_partition
    )
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(received_at)
ORDER BY (organizer_bin, cause_topic, cause_partition, through_offset, row)
SETTINGS non_replicated_deduplication_window = 2100000;
