-- Every message that was refused, with its bytes as they came (topic `rejected`; O9-5.3).
-- Deduplication window: 24 h of tokens as in 0001, of one partition.
CREATE TABLE IF NOT EXISTS rejected
(
    row                Int64 CODEC(T64, ZSTD(1)),
    received_at        DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    cause_topic        LowCardinality(String) CODEC(ZSTD(1)),
    cause_partition    Int32 CODEC(T64, ZSTD(1)),
    cause_offset       Int64 CODEC(T64, ZSTD(1)),
    organizer_bin      LowCardinality(String) CODEC(ZSTD(1)),
    reject_code        LowCardinality(String) CODEC(ZSTD(1)),
    field              LowCardinality(Nullable(String)) CODEC(ZSTD(1)),
    stream_id          Nullable(String) CODEC(ZSTD(1)),
    sequence           Nullable(Int64) CODEC(T64, ZSTD(1)),
    event_type         LowCardinality(Nullable(String)) CODEC(ZSTD(1)),
    schema_id          Nullable(Int32) CODEC(T64, ZSTD(1)),
    message_key        Nullable(String) CODEC(ZSTD(1)),
    body               String CODEC(ZSTD(1)),
    body_sha256        FixedString(32) CODEC(ZSTD(1)),
    rejected_partition Int32 CODEC(T64, ZSTD(1)),
    rejected_offset    Int64 CODEC(T64, ZSTD(1)),
    loaded_at          DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(ZSTD(1)),
    PROJECTION lanes
    (
        SELECT rejected_partition, cause_topic, cause_partition, max(row), max(rejected_offset), count()
        GROUP BY rejected_partition, cause_topic, cause_partition
    )
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(received_at)
ORDER BY (organizer_bin, received_at, cause_topic, cause_partition, cause_offset)
SETTINGS non_replicated_deduplication_window = 520000;
