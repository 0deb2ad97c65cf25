-- What `esep reconcile --follow` has compared: a row per lane and page, a page being the offsets of one partition from
-- first_offset up to end_offset, exclusive. What Kafka held then stays here when Kafka holds it no more, and whoever wants
-- to know whether the tables still say the same, compares again (`esep reconcile --past`; clauses O9-4.5, O9-4.7).
-- A page without any record, of markers of transactions only, has one row with an empty cause.
-- A page that is written again, because nobody knew whether it had been, stands in place of itself.
CREATE TABLE IF NOT EXISTS reconciliations
(
    compared_at         DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    topic               LowCardinality(String) CODEC(ZSTD(1)),
    partition           Int32 CODEC(T64, ZSTD(1)),
    first_offset        Int64 CODEC(T64, ZSTD(1)),
    end_offset          Int64 CODEC(T64, ZSTD(1)),
    cause_topic         LowCardinality(String) CODEC(ZSTD(1)),
    cause_partition     Int32 CODEC(T64, ZSTD(1)),
    kafka_count         Int64 CODEC(T64, ZSTD(1)),
    kafka_distinct      Int64 CODEC(T64, ZSTD(1)),
    kafka_first_row     Int64 CODEC(T64, ZSTD(1)),
    kafka_last_row      Int64 CODEC(T64, ZSTD(1)),
    kafka_tiyn          Map(LowCardinality(String), Int64) CODEC(ZSTD(1)),
    clickhouse_count    Int64 CODEC(T64, ZSTD(1)),
    clickhouse_tiyn     Map(LowCardinality(String), Int64) CODEC(ZSTD(1)),
    balanced            Bool CODEC(ZSTD(1)),
    entries             Array(String) CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(compared_at)
ORDER BY (topic, partition, first_offset, cause_topic, cause_partition);
