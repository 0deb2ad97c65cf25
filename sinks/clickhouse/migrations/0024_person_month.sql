-- What a person did in a month over all organizers, added up beforehand: what `person_monthly` (0017) reads (docs/decisions/0044).
-- By month first and person then, so that a month in Almaty is one run of rows of two partitions. Fed from `person_day` (0008), which has
-- fewer rows than the ledger and no columns to work out: a block of the ledger is a block there, and so one here, under its token.
-- Filled as the roll-ups of 0008 are: no loader may run meanwhile.
DROP VIEW IF EXISTS person_month_feed;

CREATE OR REPLACE TABLE person_month
(
    month            UInt32 CODEC(T64, ZSTD(1)),
    first_day        Date CODEC(T64, ZSTD(1)),
    iin              String CODEC(ZSTD(1)),
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
ORDER BY (first_day, iin)
SETTINGS non_replicated_deduplication_window = 2100000
AS SELECT
    month,
    toStartOfMonth(day) AS first_day,
    iin,
    sum(posting_count) AS posting_count,
    sum(wager_count) AS wager_count,
    sum(wager_tiyn) AS wager_tiyn,
    sum(winning_count) AS winning_count,
    sum(winning_tiyn) AS winning_tiyn,
    sum(refund_count) AS refund_count,
    sum(refund_tiyn) AS refund_tiyn,
    sum(cash_out_count) AS cash_out_count,
    sum(cash_out_tiyn) AS cash_out_tiyn,
    sum(deposit_count) AS deposit_count,
    sum(deposit_tiyn) AS deposit_tiyn,
    sum(withdrawal_count) AS withdrawal_count,
    sum(withdrawal_tiyn) AS withdrawal_tiyn
FROM person_day
GROUP BY month, first_day, iin
SETTINGS max_partitions_per_insert_block = 0;

CREATE MATERIALIZED VIEW IF NOT EXISTS person_month_feed TO person_month AS SELECT
    month,
    toStartOfMonth(day) AS first_day,
    iin,
    sum(posting_count) AS posting_count,
    sum(wager_count) AS wager_count,
    sum(wager_tiyn) AS wager_tiyn,
    sum(winning_count) AS winning_count,
    sum(winning_tiyn) AS winning_tiyn,
    sum(refund_count) AS refund_count,
    sum(refund_tiyn) AS refund_tiyn,
    sum(cash_out_count) AS cash_out_count,
    sum(cash_out_tiyn) AS cash_out_tiyn,
    sum(deposit_count) AS deposit_count,
    sum(deposit_tiyn) AS deposit_tiyn,
    sum(withdrawal_count) AS withdrawal_count,
    sum(withdrawal_tiyn) AS withdrawal_tiyn
FROM person_day
GROUP BY month, first_day, iin;

-- As in 0017, from there. FINAL: a month's rows of a person that are not merged yet, and those of the other partition, are added up.
CREATE OR REPLACE VIEW person_monthly AS
SELECT
    iin,
    first_day,
    posting_count,
    wager_count,
    wager_tiyn,
    winning_count,
    winning_tiyn,
    refund_count,
    refund_tiyn,
    cash_out_count,
    cash_out_tiyn,
    deposit_count,
    deposit_tiyn,
    withdrawal_count,
    withdrawal_tiyn,
    winning_tiyn + refund_tiyn + cash_out_tiyn AS paid_tiyn
FROM person_month FINAL;
