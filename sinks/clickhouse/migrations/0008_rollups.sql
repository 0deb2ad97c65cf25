-- Roll-ups of the ledger: sums of signed amounts and of legs, so that a correction is in them once it is loaded (DESIGN 6).
-- Each is a table that a materialized view feeds with every block of the ledger. `month` is the ledger's own (UTC), so that
-- a block of one month stays a block of one month; days are Almaty's. Not summed up until parts are merged: ask the views
-- of 0009, or with GROUP BY.
-- Repetition: the token of a block of the ledger is, with the view's name, the token of what it adds here, in a window of
-- the same length as the ledger's (0001); each window takes as much memory as that one.
-- What is in the ledger already is added up first, while nothing feeds: no loader may run meanwhile. Statements that are
-- repeated begin anew, so that a stop in the middle leaves nothing half.
-- Projections of the ledger were tried instead: they cannot differ from it, and cost an insert less, but the persons of a
-- month took three times as long (docs/decisions/0021-the-store.md).

-- What a person did with an organizer on a day.
DROP VIEW IF EXISTS person_day_feed;

CREATE OR REPLACE TABLE person_day
(
    month            UInt32 CODEC(T64, ZSTD(1)),
    iin              String CODEC(ZSTD(1)),
    day              Date CODEC(T64, ZSTD(1)),
    organizer_bin    LowCardinality(String) CODEC(ZSTD(1)),
    posting_count    SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    wager_count      SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD(1)),
    wager_tiyn       SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    winning_count    SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD(1)),
    winning_tiyn     SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    refund_count     SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD(1)),
    refund_tiyn      SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    cash_out_count   SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD(1)),
    cash_out_tiyn    SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    deposit_count    SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD(1)),
    deposit_tiyn     SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    withdrawal_count SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD(1)),
    withdrawal_tiyn  SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    INDEX days day TYPE minmax GRANULARITY 1 -- Keeps the month before out of a month in Almaty.
)
ENGINE = AggregatingMergeTree
PARTITION BY month
ORDER BY (iin, day, organizer_bin)
SETTINGS non_replicated_deduplication_window = 2100000
AS SELECT
    toYYYYMM(occurred_at) AS month,
    iin,
    toDate(occurred_at, 'Asia/Almaty') AS day,
    organizer_bin,
    count() AS posting_count,
    sumIf(leg, event_type = 'WAGER')                                AS wager_count,
    sumIf(amount_tiyn, event_type = 'WAGER')                        AS wager_tiyn,
    sumIf(leg, event_type = 'PAYOUT' AND kind = 'WINNING')          AS winning_count,
    sumIf(amount_tiyn, event_type = 'PAYOUT' AND kind = 'WINNING')  AS winning_tiyn,
    sumIf(leg, event_type = 'PAYOUT' AND kind = 'REFUND')           AS refund_count,
    sumIf(amount_tiyn, event_type = 'PAYOUT' AND kind = 'REFUND')   AS refund_tiyn,
    sumIf(leg, event_type = 'PAYOUT' AND kind = 'CASH_OUT')         AS cash_out_count,
    sumIf(amount_tiyn, event_type = 'PAYOUT' AND kind = 'CASH_OUT') AS cash_out_tiyn,
    sumIf(leg, event_type = 'DEPOSIT')                              AS deposit_count,
    sumIf(amount_tiyn, event_type = 'DEPOSIT')                      AS deposit_tiyn,
    sumIf(leg, event_type = 'WITHDRAWAL')                           AS withdrawal_count,
    sumIf(amount_tiyn, event_type = 'WITHDRAWAL')                   AS withdrawal_tiyn
FROM ledger
GROUP BY month, iin, day, organizer_bin
SETTINGS optimize_aggregation_in_order = 1, max_partitions_per_insert_block = 0;

CREATE MATERIALIZED VIEW IF NOT EXISTS person_day_feed TO person_day AS SELECT
    toYYYYMM(occurred_at) AS month,
    iin,
    toDate(occurred_at, 'Asia/Almaty') AS day,
    organizer_bin,
    count() AS posting_count,
    sumIf(leg, event_type = 'WAGER')                                AS wager_count,
    sumIf(amount_tiyn, event_type = 'WAGER')                        AS wager_tiyn,
    sumIf(leg, event_type = 'PAYOUT' AND kind = 'WINNING')          AS winning_count,
    sumIf(amount_tiyn, event_type = 'PAYOUT' AND kind = 'WINNING')  AS winning_tiyn,
    sumIf(leg, event_type = 'PAYOUT' AND kind = 'REFUND')           AS refund_count,
    sumIf(amount_tiyn, event_type = 'PAYOUT' AND kind = 'REFUND')   AS refund_tiyn,
    sumIf(leg, event_type = 'PAYOUT' AND kind = 'CASH_OUT')         AS cash_out_count,
    sumIf(amount_tiyn, event_type = 'PAYOUT' AND kind = 'CASH_OUT') AS cash_out_tiyn,
    sumIf(leg, event_type = 'DEPOSIT')                              AS deposit_count,
    sumIf(amount_tiyn, event_type = 'DEPOSIT')                      AS deposit_tiyn,
    sumIf(leg, event_type = 'WITHDRAWAL')                           AS withdrawal_count,
    sumIf(amount_tiyn, event_type = 'WITHDRAWAL')                   AS withdrawal_tiyn
FROM ledger
GROUP BY month, iin, day, organizer_bin;

-- What an organizer took and paid on a day. persons: whom it had postings of, as a sketch that adds up over days (an error
-- of 0.8 % where there are thousands).
DROP VIEW IF EXISTS organizer_day_feed;

CREATE OR REPLACE TABLE organizer_day
(
    month            UInt32 CODEC(T64, ZSTD(1)),
    organizer_bin    LowCardinality(String) CODEC(ZSTD(1)),
    day              Date CODEC(T64, ZSTD(1)),
    posting_count    SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    persons          AggregateFunction(uniqCombined64(14), String) CODEC(ZSTD(1)),
    wager_count      SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD(1)),
    wager_tiyn       SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    winning_count    SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD(1)),
    winning_tiyn     SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    refund_count     SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD(1)),
    refund_tiyn      SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    cash_out_count   SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD(1)),
    cash_out_tiyn    SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    deposit_count    SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD(1)),
    deposit_tiyn     SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    withdrawal_count SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD(1)),
    withdrawal_tiyn  SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY month
ORDER BY (organizer_bin, day)
SETTINGS non_replicated_deduplication_window = 2100000
AS SELECT
    toYYYYMM(occurred_at) AS month,
    organizer_bin,
    toDate(occurred_at, 'Asia/Almaty') AS day,
    count() AS posting_count,
    uniqCombined64State(14)(iin) AS persons,
    sumIf(leg, event_type = 'WAGER')                                AS wager_count,
    sumIf(amount_tiyn, event_type = 'WAGER')                        AS wager_tiyn,
    sumIf(leg, event_type = 'PAYOUT' AND kind = 'WINNING')          AS winning_count,
    sumIf(amount_tiyn, event_type = 'PAYOUT' AND kind = 'WINNING')  AS winning_tiyn,
    sumIf(leg, event_type = 'PAYOUT' AND kind = 'REFUND')           AS refund_count,
    sumIf(amount_tiyn, event_type = 'PAYOUT' AND kind = 'REFUND')   AS refund_tiyn,
    sumIf(leg, event_type = 'PAYOUT' AND kind = 'CASH_OUT')         AS cash_out_count,
    sumIf(amount_tiyn, event_type = 'PAYOUT' AND kind = 'CASH_OUT') AS cash_out_tiyn,
    sumIf(leg, event_type = 'DEPOSIT')                              AS deposit_count,
    sumIf(amount_tiyn, event_type = 'DEPOSIT')                      AS deposit_tiyn,
    sumIf(leg, event_type = 'WITHDRAWAL')                           AS withdrawal_count,
    sumIf(amount_tiyn, event_type = 'WITHDRAWAL')                   AS withdrawal_tiyn
FROM ledger
GROUP BY month, organizer_bin, day
SETTINGS optimize_aggregation_in_order = 1, max_partitions_per_insert_block = 0;

CREATE MATERIALIZED VIEW IF NOT EXISTS organizer_day_feed TO organizer_day AS SELECT
    toYYYYMM(occurred_at) AS month,
    organizer_bin,
    toDate(occurred_at, 'Asia/Almaty') AS day,
    count() AS posting_count,
    uniqCombined64State(14)(iin) AS persons,
    sumIf(leg, event_type = 'WAGER')                                AS wager_count,
    sumIf(amount_tiyn, event_type = 'WAGER')                        AS wager_tiyn,
    sumIf(leg, event_type = 'PAYOUT' AND kind = 'WINNING')          AS winning_count,
    sumIf(amount_tiyn, event_type = 'PAYOUT' AND kind = 'WINNING')  AS winning_tiyn,
    sumIf(leg, event_type = 'PAYOUT' AND kind = 'REFUND')           AS refund_count,
    sumIf(amount_tiyn, event_type = 'PAYOUT' AND kind = 'REFUND')   AS refund_tiyn,
    sumIf(leg, event_type = 'PAYOUT' AND kind = 'CASH_OUT')         AS cash_out_count,
    sumIf(amount_tiyn, event_type = 'PAYOUT' AND kind = 'CASH_OUT') AS cash_out_tiyn,
    sumIf(leg, event_type = 'DEPOSIT')                              AS deposit_count,
    sumIf(amount_tiyn, event_type = 'DEPOSIT')                      AS deposit_tiyn,
    sumIf(leg, event_type = 'WITHDRAWAL')                           AS withdrawal_count,
    sumIf(amount_tiyn, event_type = 'WITHDRAWAL')                   AS withdrawal_tiyn
FROM ledger
GROUP BY month, organizer_bin, day;

-- What an organizer took and paid in an hour.
DROP VIEW IF EXISTS organizer_hour_feed;

CREATE OR REPLACE TABLE organizer_hour
(
    month            UInt32 CODEC(T64, ZSTD(1)),
    organizer_bin    LowCardinality(String) CODEC(ZSTD(1)),
    hour_at          DateTime('UTC') CODEC(T64, ZSTD(1)),
    posting_count    SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    wager_count      SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD(1)),
    wager_tiyn       SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    winning_count    SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD(1)),
    winning_tiyn     SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    refund_count     SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD(1)),
    refund_tiyn      SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    cash_out_count   SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD(1)),
    cash_out_tiyn    SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    deposit_count    SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD(1)),
    deposit_tiyn     SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    withdrawal_count SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD(1)),
    withdrawal_tiyn  SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY month
ORDER BY (organizer_bin, hour_at)
SETTINGS non_replicated_deduplication_window = 2100000
AS SELECT
    toYYYYMM(occurred_at) AS month,
    organizer_bin,
    toStartOfHour(occurred_at) AS hour_at,
    count() AS posting_count,
    sumIf(leg, event_type = 'WAGER')                                AS wager_count,
    sumIf(amount_tiyn, event_type = 'WAGER')                        AS wager_tiyn,
    sumIf(leg, event_type = 'PAYOUT' AND kind = 'WINNING')          AS winning_count,
    sumIf(amount_tiyn, event_type = 'PAYOUT' AND kind = 'WINNING')  AS winning_tiyn,
    sumIf(leg, event_type = 'PAYOUT' AND kind = 'REFUND')           AS refund_count,
    sumIf(amount_tiyn, event_type = 'PAYOUT' AND kind = 'REFUND')   AS refund_tiyn,
    sumIf(leg, event_type = 'PAYOUT' AND kind = 'CASH_OUT')         AS cash_out_count,
    sumIf(amount_tiyn, event_type = 'PAYOUT' AND kind = 'CASH_OUT') AS cash_out_tiyn,
    sumIf(leg, event_type = 'DEPOSIT')                              AS deposit_count,
    sumIf(amount_tiyn, event_type = 'DEPOSIT')                      AS deposit_tiyn,
    sumIf(leg, event_type = 'WITHDRAWAL')                           AS withdrawal_count,
    sumIf(amount_tiyn, event_type = 'WITHDRAWAL')                   AS withdrawal_tiyn
FROM ledger
GROUP BY month, organizer_bin, hour_at
SETTINGS optimize_aggregation_in_order = 1, max_partitions_per_insert_block = 0;

CREATE MATERIALIZED VIEW IF NOT EXISTS organizer_hour_feed TO organizer_hour AS SELECT
    toYYYYMM(occurred_at) AS month,
    organizer_bin,
    toStartOfHour(occurred_at) AS hour_at,
    count() AS posting_count,
    sumIf(leg, event_type = 'WAGER')                                AS wager_count,
    sumIf(amount_tiyn, event_type = 'WAGER')                        AS wager_tiyn,
    sumIf(leg, event_type = 'PAYOUT' AND kind = 'WINNING')          AS winning_count,
    sumIf(amount_tiyn, event_type = 'PAYOUT' AND kind = 'WINNING')  AS winning_tiyn,
    sumIf(leg, event_type = 'PAYOUT' AND kind = 'REFUND')           AS refund_count,
    sumIf(amount_tiyn, event_type = 'PAYOUT' AND kind = 'REFUND')   AS refund_tiyn,
    sumIf(leg, event_type = 'PAYOUT' AND kind = 'CASH_OUT')         AS cash_out_count,
    sumIf(amount_tiyn, event_type = 'PAYOUT' AND kind = 'CASH_OUT') AS cash_out_tiyn,
    sumIf(leg, event_type = 'DEPOSIT')                              AS deposit_count,
    sumIf(amount_tiyn, event_type = 'DEPOSIT')                      AS deposit_tiyn,
    sumIf(leg, event_type = 'WITHDRAWAL')                           AS withdrawal_count,
    sumIf(amount_tiyn, event_type = 'WITHDRAWAL')                   AS withdrawal_tiyn
FROM ledger
GROUP BY month, organizer_bin, hour_at;
