-- A person's history in an order of its own, by person and time: what `person_history` reads (O9-4.6, O9-4.7).
-- The ledger answers the question too, from every month, and in granules of 8,192 rows; here a year is one partition, a granule
-- 1,024 rows, and a row 23 columns (docs/decisions/0032). By years, because an answer takes as many steps as there are parts,
-- and what is past its term goes by years anyway: a month that goes before is taken out by making the rest of its year anew.
-- Fed and filled as the roll-ups of 0008: a block of the ledger is a block here, of one year, under the same token; no loader
-- may run meanwhile. As there, what is repeated past the tokens stays twice until `esep reconcile --rebuild-rollups`.
DROP VIEW IF EXISTS person_posting_feed;

CREATE OR REPLACE TABLE person_posting
(
    iin                    String CODEC(ZSTD(1)),
    occurred_at            DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    received_at            DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    organizer_bin          LowCardinality(String) CODEC(ZSTD(1)),
    organizer_name         LowCardinality(String) CODEC(ZSTD(1)),
    site_id                LowCardinality(String) CODEC(ZSTD(1)),
    event_type             LowCardinality(String) CODEC(ZSTD(1)),
    kind                   LowCardinality(Nullable(String)) CODEC(ZSTD(1)),
    amount_tiyn            Int64 CODEC(ZSTD(1)),
    wager_id               String CODEC(ZSTD(1)),
    odds_milli             Nullable(Int32) CODEC(T64, ZSTD(1)),
    channel                LowCardinality(Nullable(String)) CODEC(ZSTD(1)),
    funding                LowCardinality(Nullable(String)) CODEC(ZSTD(1)),
    payment_method         LowCardinality(String) CODEC(ZSTD(1)),
    instrument_hash        Nullable(String) CODEC(ZSTD(1)),
    flags                  Int64 CODEC(T64, ZSTD(1)),
    person_year_wager_tiyn Int64 CODEC(ZSTD(1)),
    person_ever_wager_tiyn Int64 CODEC(ZSTD(1)),
    entry_id               String CODEC(ZSTD(1)),
    revision               Int32 CODEC(T64, ZSTD(1)),
    leg                    Int32 CODEC(T64, ZSTD(1)),
    ledger_partition       Int32 CODEC(T64, ZSTD(1)),
    ledger_offset          Int64 CODEC(T64, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYear(occurred_at)
PRIMARY KEY (iin, occurred_at)
ORDER BY (iin, occurred_at, entry_id, revision, leg)
SETTINGS non_replicated_deduplication_window = 2100000, index_granularity = 1024, min_bytes_for_wide_part = 268435456
AS SELECT
    iin,
    occurred_at,
    received_at,
    organizer_bin,
    organizer_name,
    site_id,
    event_type,
    kind,
    amount_tiyn,
    wager_id,
    odds_milli,
    channel,
    funding,
    payment_method,
    instrument_hash,
    flags,
    person_year_wager_tiyn,
    person_ever_wager_tiyn,
    entry_id,
    revision,
    leg,
    ledger_partition,
    ledger_offset
FROM ledger
SETTINGS max_partitions_per_insert_block = 0;

CREATE MATERIALIZED VIEW IF NOT EXISTS person_posting_feed TO person_posting AS SELECT
    iin,
    occurred_at,
    received_at,
    organizer_bin,
    organizer_name,
    site_id,
    event_type,
    kind,
    amount_tiyn,
    wager_id,
    odds_milli,
    channel,
    funding,
    payment_method,
    instrument_hash,
    flags,
    person_year_wager_tiyn,
    person_ever_wager_tiyn,
    entry_id,
    revision,
    leg,
    ledger_partition,
    ledger_offset
FROM ledger;

-- As in 0009, from there.
CREATE OR REPLACE VIEW person_history AS
SELECT
    iin,
    toTimeZone(occurred_at, 'Asia/Almaty') AS occurred_at,
    toTimeZone(received_at, 'Asia/Almaty') AS received_at,
    organizer_bin,
    organizer_name,
    site_id,
    event_type,
    kind,
    amount_tiyn,
    wager_id,
    odds_milli,
    channel,
    funding,
    payment_method,
    instrument_hash,
    flags,
    person_year_wager_tiyn,
    person_ever_wager_tiyn,
    entry_id,
    revision,
    leg,
    ledger_partition,
    ledger_offset
FROM person_posting;

CREATE OR REPLACE VIEW as_known_at AS
SELECT * FROM person_history WHERE received_at <= {known_at:DateTime64(3, 'Asia/Almaty')};

-- What a person did in a month over all organizers. Beside person_daily because that one first adds up days, of which there are many
-- more than persons: who won most in a month is asked of this.
CREATE OR REPLACE VIEW person_monthly AS
SELECT
    iin,
    toStartOfMonth(day)        AS first_day,
    sum(posting_count)         AS posting_count,
    sum(wager_count)           AS wager_count,
    sum(wager_tiyn)            AS wager_tiyn,
    sum(winning_count)         AS winning_count,
    sum(winning_tiyn)          AS winning_tiyn,
    sum(refund_count)          AS refund_count,
    sum(refund_tiyn)           AS refund_tiyn,
    sum(cash_out_count)        AS cash_out_count,
    sum(cash_out_tiyn)         AS cash_out_tiyn,
    sum(deposit_count)         AS deposit_count,
    sum(deposit_tiyn)          AS deposit_tiyn,
    sum(withdrawal_count)      AS withdrawal_count,
    sum(withdrawal_tiyn)       AS withdrawal_tiyn,
    winning_tiyn + refund_tiyn + cash_out_tiyn AS paid_tiyn
FROM person_day
GROUP BY iin, first_day;
