-- Of a bet on one outcome the market and the outcome: what the rule OPPOSITE_BETS looks at (D934-1..3, D934-7..11), in SQL as in
-- the stream. Empty where the outcomes are not reported, and of a combined bet, which covers none by itself. A market's name is the
-- organizer's: BIN, bytes of the event's id, event's id, market's id, so that two markets never have one name (docs/decisions/0036).
-- The ledger works them out of its selections; postings by person keep them. That table is made anew: no loader may run meanwhile.
-- It now has compact parts of any size: a granule's columns stand beside each other there, so that an answer opens a file per part
-- and not one per part and column; a wide part stays wide in every merge (docs/decisions/0044).
ALTER TABLE ledger
    ADD COLUMN IF NOT EXISTS market String ALIAS if(length(selections) = 1, concat(organizer_bin, '/',
        toString(length(selections[1].event_id)), '/', selections[1].event_id, '/', selections[1].market_id), ''),
    ADD COLUMN IF NOT EXISTS outcome String ALIAS if(length(selections) = 1, selections[1].outcome_id, '');

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
    market                 String CODEC(ZSTD(1)),
    outcome                String CODEC(ZSTD(1)),
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
SETTINGS non_replicated_deduplication_window = 2100000, index_granularity = 1024, min_bytes_for_wide_part = 1000000000000000
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
    market,
    outcome,
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
    market,
    outcome,
    person_year_wager_tiyn,
    person_ever_wager_tiyn,
    entry_id,
    revision,
    leg,
    ledger_partition,
    ledger_offset
FROM ledger;
