-- One row per posting, with the person's totals after it (topic `ledger`; O9-L1 to L5, O9-4.6).
-- Order: a person's history (DESIGN 6). The key of the order is also a posting's identity: one that is repeated, should
-- it ever get past the deduplication window, is merged away; until then `reconcile` sees it: count and distinct differ.
-- No second order for an organizer's day yet: a projection of ten columns adds a fifth to the bytes and half to an
-- insert's time, one of positions alone makes such a query slower than no projection (measured). The roll-up by organizer
-- and day is to answer those questions.
-- Deduplication window: the tokens of 24 h at peak. The loader gathers for 0.2 s (loader_wait_ms) while the round before
-- is inserted, which makes 5 rounds a second x 4 partitions x 86,400 s = 1,728,000. A million tokens that are in the
-- window take 215 MB of the server's memory and 1.5 s of its start (measured).
-- Parts below 256 MiB, some 400,000 rows, are compact: of 90 columns a wide part makes some 200 files, which takes more
-- than twice the processor time of the whole insert into a compact one (measured, docs/decisions/0017).
-- Codecs: on 369,750 merged postings LZ4 takes 161 bytes a row, ZSTD(1) 104, with Delta 113, with T64 100 (measured).
CREATE TABLE IF NOT EXISTS ledger
(
    row                             Int64 CODEC(T64, ZSTD(1)),
    received_at                     DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    cause_topic                     LowCardinality(String) CODEC(ZSTD(1)),
    cause_partition                 Int32 CODEC(T64, ZSTD(1)),
    cause_offset                    Int64 CODEC(T64, ZSTD(1)),
    origin_topic                    LowCardinality(String) CODEC(ZSTD(1)),
    origin_partition                Int32 CODEC(T64, ZSTD(1)),
    origin_offset                   Int64 CODEC(T64, ZSTD(1)),
    entry_id                        String CODEC(ZSTD(1)),
    revision                        Int32 CODEC(T64, ZSTD(1)),
    leg                             Int32 CODEC(T64, ZSTD(1)),
    event_type                      LowCardinality(String) CODEC(ZSTD(1)),
    organizer_bin                   LowCardinality(String) CODEC(ZSTD(1)),
    stream_id                       String CODEC(ZSTD(1)),
    sequence                        Int64 CODEC(T64, ZSTD(1)),
    site_id                         LowCardinality(String) CODEC(ZSTD(1)),
    iin                             String CODEC(ZSTD(1)),
    wager_id                        String CODEC(ZSTD(1)),
    occurred_at                     DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    amount_tiyn                     Int64 CODEC(ZSTD(1)),
    payment_method                  LowCardinality(String) CODEC(ZSTD(1)),
    instrument_kind                 LowCardinality(Nullable(String)) CODEC(ZSTD(1)),
    instrument_hash                 Nullable(String) CODEC(ZSTD(1)),
    instrument_key_version          Nullable(Int32) CODEC(T64, ZSTD(1)),
    channel                         LowCardinality(Nullable(String)) CODEC(ZSTD(1)),
    funding                         LowCardinality(Nullable(String)) CODEC(ZSTD(1)),
    odds_milli                      Nullable(Int32) CODEC(T64, ZSTD(1)),
    selections                      Array(Tuple(event_id String, market_id String, outcome_id String, odds_milli Int32))
                                    CODEC(ZSTD(1)),
    kind                            LowCardinality(Nullable(String)) CODEC(ZSTD(1)),
    won_tiyn                        Nullable(Int64) CODEC(ZSTD(1)),
    wager_occurred_at               Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    wager_amount_tiyn               Nullable(Int64) CODEC(ZSTD(1)),
    organizer_name                  LowCardinality(String) CODEC(ZSTD(1)),
    organizer_kind                  LowCardinality(String) CODEC(ZSTD(1)),
    licence_number                  LowCardinality(String) CODEC(ZSTD(1)),
    birth_year_hint                 Nullable(Int32) CODEC(T64, ZSTD(1)),
    sex_hint                        LowCardinality(Nullable(String)) CODEC(ZSTD(1)),
    flags                           Int64 CODEC(T64, ZSTD(1)),
    reference_version               Int64 CODEC(T64, ZSTD(1)),
    body_sha256                     FixedString(32) CODEC(ZSTD(1)),
    person_year_wager_count         Int64 CODEC(T64, ZSTD(1)),
    person_year_wager_tiyn          Int64 CODEC(ZSTD(1)),
    person_year_winning_count       Int64 CODEC(T64, ZSTD(1)),
    person_year_winning_tiyn        Int64 CODEC(ZSTD(1)),
    person_year_refund_count        Int64 CODEC(T64, ZSTD(1)),
    person_year_refund_tiyn         Int64 CODEC(ZSTD(1)),
    person_year_cash_out_count      Int64 CODEC(T64, ZSTD(1)),
    person_year_cash_out_tiyn       Int64 CODEC(ZSTD(1)),
    person_year_deposit_count       Int64 CODEC(T64, ZSTD(1)),
    person_year_deposit_tiyn        Int64 CODEC(ZSTD(1)),
    person_year_withdrawal_count    Int64 CODEC(T64, ZSTD(1)),
    person_year_withdrawal_tiyn     Int64 CODEC(ZSTD(1)),
    person_ever_wager_count         Int64 CODEC(T64, ZSTD(1)),
    person_ever_wager_tiyn          Int64 CODEC(ZSTD(1)),
    person_ever_winning_count       Int64 CODEC(T64, ZSTD(1)),
    person_ever_winning_tiyn        Int64 CODEC(ZSTD(1)),
    person_ever_refund_count        Int64 CODEC(T64, ZSTD(1)),
    person_ever_refund_tiyn         Int64 CODEC(ZSTD(1)),
    person_ever_cash_out_count      Int64 CODEC(T64, ZSTD(1)),
    person_ever_cash_out_tiyn       Int64 CODEC(ZSTD(1)),
    person_ever_deposit_count       Int64 CODEC(T64, ZSTD(1)),
    person_ever_deposit_tiyn        Int64 CODEC(ZSTD(1)),
    person_ever_withdrawal_count    Int64 CODEC(T64, ZSTD(1)),
    person_ever_withdrawal_tiyn     Int64 CODEC(ZSTD(1)),
    organizer_year_wager_count      Int64 CODEC(T64, ZSTD(1)),
    organizer_year_wager_tiyn       Int64 CODEC(ZSTD(1)),
    organizer_year_winning_count    Int64 CODEC(T64, ZSTD(1)),
    organizer_year_winning_tiyn     Int64 CODEC(ZSTD(1)),
    organizer_year_refund_count     Int64 CODEC(T64, ZSTD(1)),
    organizer_year_refund_tiyn      Int64 CODEC(ZSTD(1)),
    organizer_year_cash_out_count   Int64 CODEC(T64, ZSTD(1)),
    organizer_year_cash_out_tiyn    Int64 CODEC(ZSTD(1)),
    organizer_year_deposit_count    Int64 CODEC(T64, ZSTD(1)),
    organizer_year_deposit_tiyn     Int64 CODEC(ZSTD(1)),
    organizer_year_withdrawal_count Int64 CODEC(T64, ZSTD(1)),
    organizer_year_withdrawal_tiyn  Int64 CODEC(ZSTD(1)),
    organizer_ever_wager_count      Int64 CODEC(T64, ZSTD(1)),
    organizer_ever_wager_tiyn       Int64 CODEC(ZSTD(1)),
    organizer_ever_winning_count    Int64 CODEC(T64, ZSTD(1)),
    organizer_ever_winning_tiyn     Int64 CODEC(ZSTD(1)),
    organizer_ever_refund_count     Int64 CODEC(T64, ZSTD(1)),
    organizer_ever_refund_tiyn      Int64 CODEC(ZSTD(1)),
    organizer_ever_cash_out_count   Int64 CODEC(T64, ZSTD(1)),
    organizer_ever_cash_out_tiyn    Int64 CODEC(ZSTD(1)),
    organizer_ever_deposit_count    Int64 CODEC(T64, ZSTD(1)),
    organizer_ever_deposit_tiyn     Int64 CODEC(ZSTD(1)),
    organizer_ever_withdrawal_count Int64 CODEC(T64, ZSTD(1)),
    organizer_ever_withdrawal_tiyn  Int64 CODEC(ZSTD(1)),
    ledger_partition                Int32 CODEC(T64, ZSTD(1)),
    ledger_offset                   Int64 CODEC(T64, ZSTD(1)),
    loaded_at                       DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(ZSTD(1)),
    -- Highest row and offset per lane, without reading the table: what the loader asks when it is given a partition.
    PROJECTION lanes
    (
        SELECT ledger_partition, cause_topic, cause_partition, max(row), max(ledger_offset), count()
        GROUP BY ledger_partition, cause_topic, cause_partition
    )
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(occurred_at)
PRIMARY KEY (iin, toDate(occurred_at), organizer_bin)
ORDER BY (iin, toDate(occurred_at), organizer_bin, stream_id, sequence, revision, leg)
SETTINGS non_replicated_deduplication_window = 2100000, deduplicate_merge_projection_mode = 'rebuild',
         min_bytes_for_wide_part = 268435456;
