-- Every revision of every alert is a row (topic `compliance.alerts`; DESIGN 7).
-- Deduplication window: 24 h of tokens as in 0001.
CREATE TABLE IF NOT EXISTS alerts
(
    row               Int64 CODEC(T64, ZSTD(1)),
    received_at       DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    cause_topic       LowCardinality(String) CODEC(ZSTD(1)),
    cause_partition   Int32 CODEC(T64, ZSTD(1)),
    cause_offset      Int64 CODEC(T64, ZSTD(1)),
    alert_id          String CODEC(ZSTD(1)),
    revision          Int32 CODEC(T64, ZSTD(1)),
    status            LowCardinality(String) CODEC(ZSTD(1)),
    rule_id           LowCardinality(String) CODEC(ZSTD(1)),
    rule_version      Int32 CODEC(T64, ZSTD(1)),
    severity          LowCardinality(String) CODEC(ZSTD(1)),
    mode              LowCardinality(String) CODEC(ZSTD(1)),
    iin               String CODEC(ZSTD(1)),
    bucket            String CODEC(ZSTD(1)),
    occurred_at       DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    organizer_bins    Array(LowCardinality(String)) CODEC(ZSTD(1)),
    reason_kk         String CODEC(ZSTD(1)),
    reason_ru         String CODEC(ZSTD(1)),
    reason_en         String CODEC(ZSTD(1)),
    basis             LowCardinality(String) CODEC(ZSTD(1)),
    observations      Array(Tuple(name String, value Int64, threshold Int64, unit String)) CODEC(ZSTD(1)),
    evidence          Array(Tuple(
                          entry_id String, revision Int32, leg Int32, occurred_at DateTime64(3, 'UTC'),
                          amount_tiyn Int64, ledger_partition Int32, ledger_offset Int64
                      )) CODEC(ZSTD(1)),
    reference_version Int64 CODEC(T64, ZSTD(1)),
    alert_partition   Int32 CODEC(T64, ZSTD(1)),
    alert_offset      Int64 CODEC(T64, ZSTD(1)),
    loaded_at         DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(ZSTD(1)),
    PROJECTION lanes
    (
        SELECT alert_partition, cause_topic, cause_partition, max(row), max(alert_offset), count()
        GROUP BY alert_partition, cause_topic, cause_partition
    )
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (iin, alert_id, revision)
SETTINGS non_replicated_deduplication_window = 2100000;
