-- What was removed, when, and why it might go (`esep retention`; O9-4.7, DESIGN 6): whole months of ledger, rejected and receipts,
-- a ledger's month with its roll-ups; and who holds what back. Nothing here is ever changed or removed: tables are added to.

-- The log, a row per step of a removal, in the order of `entry`. A removal is of one month (yyyymm, UTC) of one table; number:
-- which of that month, for late rows may come after one and are removed by the next. What it writes down below bears its
-- `attempt`; one that was cut short before CLOSED counts for nothing.
-- BEGUN: it may go. CLOSED: what it holds is written down below, and from here on balances count and its rows do not.
-- REOPENED: a hold came, or more rows, before they went; the rows count again. REMOVED: they are gone.
CREATE TABLE IF NOT EXISTS retention_log
(
    entry      UInt64,
    noted_at   DateTime64(3, 'UTC'),
    table_name LowCardinality(String),
    month      UInt32,
    number     UInt32,
    attempt    String,
    state      Enum8('BEGUN' = 1, 'CLOSED' = 2, 'REOPENED' = 3, 'REMOVED' = 4),
    row_count  UInt64,
    latest_at  DateTime64(3, 'UTC'), -- Of the youngest bet among the rows, a payout counting by its wager.
    horizon    DateTime64(3, 'UTC'), -- All that is older might go then.
    reason     String
)
ENGINE = MergeTree
ORDER BY (table_name, month, entry);

-- Holds, each with its release as a row of its own. A hold is of a person, an organizer, days (Almaty, both included), any of
-- these together, or, with nothing named, of everything.
CREATE TABLE IF NOT EXISTS retention_holds
(
    hold_id       String,
    action        Enum8('ADDED' = 1, 'RELEASED' = 2),
    noted_at      DateTime64(3, 'UTC'),
    case_number   String,
    reason        String,
    officer       String,
    iin           String,
    organizer_bin String,
    first_day     Nullable(Date32),
    last_day      Nullable(Date32)
)
ENGINE = MergeTree
ORDER BY (hold_id, noted_at);

-- Which rows went, by lane and, where `esep reconcile --follow` had compared them, by its page (first offset; else -1):
-- the loader's and reconcile's proof that they were there.
CREATE TABLE IF NOT EXISTS retention_lanes
(
    attempt         String,
    table_name      LowCardinality(String),
    month           UInt32,
    topic           LowCardinality(String),
    partition       Int32,
    cause_topic     LowCardinality(String),
    cause_partition Int32,
    page_offset     Int64,
    row_count       UInt64,
    distinct_rows   UInt64,
    first_row       Int64,
    last_row        Int64,
    first_offset    Int64,
    last_offset     Int64,
    amounts_tiyn    Map(String, Int64)
)
ENGINE = MergeTree
ORDER BY (table_name, topic, partition, month, page_offset);

-- The same by organizer. event_count: events and corrections of which no posting is left; accepted_count: what the receipts
-- that went had acknowledged.
CREATE TABLE IF NOT EXISTS retention_organizers
(
    attempt        String,
    table_name     LowCardinality(String),
    month          UInt32,
    organizer_bin  LowCardinality(String),
    row_count      UInt64,
    event_count    UInt64,
    accepted_count Int64
)
ENGINE = MergeTree
ORDER BY (table_name, organizer_bin, month);

-- What the postings that went came to, per person, organizer and Almaty year: with what is left in the ledger it makes the
-- totals (O9-4.6). ledger_partition: of the topic; a person has one.
CREATE TABLE IF NOT EXISTS closing_balances
(
    attempt          String CODEC(ZSTD(1)),
    month            UInt32 CODEC(T64, ZSTD(1)),
    ledger_partition Int32 CODEC(T64, ZSTD(1)),
    iin              String CODEC(ZSTD(1)),
    organizer_bin    LowCardinality(String) CODEC(ZSTD(1)),
    year             UInt16 CODEC(T64, ZSTD(1)),
    posting_count    UInt64 CODEC(T64, ZSTD(1)),
    wager_count      Int64 CODEC(T64, ZSTD(1)),
    wager_tiyn       Int64 CODEC(ZSTD(1)),
    winning_count    Int64 CODEC(T64, ZSTD(1)),
    winning_tiyn     Int64 CODEC(ZSTD(1)),
    refund_count     Int64 CODEC(T64, ZSTD(1)),
    refund_tiyn      Int64 CODEC(ZSTD(1)),
    cash_out_count   Int64 CODEC(T64, ZSTD(1)),
    cash_out_tiyn    Int64 CODEC(ZSTD(1)),
    deposit_count    Int64 CODEC(T64, ZSTD(1)),
    deposit_tiyn     Int64 CODEC(ZSTD(1)),
    withdrawal_count Int64 CODEC(T64, ZSTD(1)),
    withdrawal_tiyn  Int64 CODEC(ZSTD(1)),
    last_occurred_at DateTime64(3, 'UTC') CODEC(ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (iin, organizer_bin, year, month);

-- Of a page that was compared after a removal: which of the records that Kafka held had gone from here (by Kafka's own count).
ALTER TABLE reconciliations
    ADD COLUMN IF NOT EXISTS removed_count     Int64 CODEC(T64, ZSTD(1)),
    ADD COLUMN IF NOT EXISTS removed_first_row Int64 CODEC(T64, ZSTD(1)),
    ADD COLUMN IF NOT EXISTS removed_last_row  Int64 CODEC(T64, ZSTD(1)),
    ADD COLUMN IF NOT EXISTS removed_tiyn      Map(LowCardinality(String), Int64) CODEC(ZSTD(1));

-- The removals that count, a row each: of those that were closed for the same month and number the first one that was not
-- reopened. is_removed: its rows are gone; else they are about to go and count as gone.
CREATE OR REPLACE VIEW retention_steps AS
SELECT
    table_name,
    month,
    number,
    argMinIf(one.attempt, one.entry, one.state = 'CLOSED')   AS attempt,
    argMinIf(one.row_count, one.entry, one.state = 'CLOSED') AS row_count,
    countIf(one.state = 'REMOVED') > 0                       AS is_removed
FROM retention_log AS one
WHERE one.attempt NOT IN (SELECT attempt FROM retention_log WHERE state = 'REOPENED')
GROUP BY table_name, month, number
HAVING countIf(one.state = 'CLOSED') > 0;

-- The rows of the ledger that count beside balances: all but those that are closed and about to go. Later ones of the same
-- month count: a loader inserts each partition's rows in the order of offsets.
CREATE OR REPLACE VIEW ledger_counted AS
WITH
    (
        SELECT mapFromArrays(groupArray(place), groupArray(ends))
        FROM
        (
            SELECT toUInt64(month) * 1000000 + partition AS place, max(last_offset) + 1 AS ends
            FROM retention_lanes
            WHERE attempt IN (SELECT attempt FROM retention_steps WHERE table_name = 'ledger' AND NOT is_removed)
            GROUP BY place
        )
    ) AS closed_up_to
SELECT *
FROM ledger
WHERE ledger_offset >= closed_up_to[toUInt64(toYYYYMM(occurred_at)) * 1000000 + ledger_partition];

-- What postings come to per person, organizer, year and partition of the topic, removed ones included.
CREATE OR REPLACE VIEW person_years AS
SELECT
    iin,
    organizer_bin,
    year,
    ledger_partition,
    wager_count, wager_tiyn, winning_count, winning_tiyn, refund_count, refund_tiyn, cash_out_count, cash_out_tiyn,
    deposit_count, deposit_tiyn, withdrawal_count, withdrawal_tiyn,
    last_occurred_at
FROM
(
    SELECT
        iin,
        organizer_bin,
        toYear(occurred_at, 'Asia/Almaty')                               AS year,
        ledger_partition,
        sumIf(leg, event_type = 'WAGER')                                 AS wager_count,
        sumIf(amount_tiyn, event_type = 'WAGER')                         AS wager_tiyn,
        sumIf(leg, event_type = 'PAYOUT' AND kind = 'WINNING')           AS winning_count,
        sumIf(amount_tiyn, event_type = 'PAYOUT' AND kind = 'WINNING')   AS winning_tiyn,
        sumIf(leg, event_type = 'PAYOUT' AND kind = 'REFUND')            AS refund_count,
        sumIf(amount_tiyn, event_type = 'PAYOUT' AND kind = 'REFUND')    AS refund_tiyn,
        sumIf(leg, event_type = 'PAYOUT' AND kind = 'CASH_OUT')          AS cash_out_count,
        sumIf(amount_tiyn, event_type = 'PAYOUT' AND kind = 'CASH_OUT')  AS cash_out_tiyn,
        sumIf(leg, event_type = 'DEPOSIT')                               AS deposit_count,
        sumIf(amount_tiyn, event_type = 'DEPOSIT')                       AS deposit_tiyn,
        sumIf(leg, event_type = 'WITHDRAWAL')                            AS withdrawal_count,
        sumIf(amount_tiyn, event_type = 'WITHDRAWAL')                    AS withdrawal_tiyn,
        max(occurred_at)                                                 AS last_occurred_at
    FROM ledger_counted
    GROUP BY iin, organizer_bin, year, ledger_partition
    UNION ALL
    SELECT
        iin, organizer_bin, year, ledger_partition,
        wager_count, wager_tiyn, winning_count, winning_tiyn, refund_count, refund_tiyn, cash_out_count,
        cash_out_tiyn, deposit_count, deposit_tiyn, withdrawal_count, withdrawal_tiyn,
        last_occurred_at
    FROM closing_balances
    WHERE attempt IN (SELECT attempt FROM retention_steps WHERE table_name = 'ledger')
);

-- As in 0005, of all that ever was: balances of removed months are in the years and in the sums of all time. Each sum stands
-- in four: scope says whether it counts for its organizer (1) and for its year (2). GROUPING SETS would say the same, and with
-- conditions on more than the iin read the whole ledger (the engine does not push them down then).
CREATE OR REPLACE VIEW person_totals AS
SELECT
    one.iin                                                              AS iin,
    toLowCardinality(if(bitTest(one.scope, 0), one.organizer_bin, ''))   AS organizer_bin,
    if(bitTest(one.scope, 1), one.year, toUInt16(0))                     AS year,
    sum(one.wager_count)               AS wager_count,
    sum(one.wager_tiyn)                AS wager_tiyn,
    sum(one.winning_count)             AS winning_count,
    sum(one.winning_tiyn)              AS winning_tiyn,
    sum(one.refund_count)              AS refund_count,
    sum(one.refund_tiyn)               AS refund_tiyn,
    sum(one.cash_out_count)            AS cash_out_count,
    sum(one.cash_out_tiyn)             AS cash_out_tiyn,
    sum(one.deposit_count)             AS deposit_count,
    sum(one.deposit_tiyn)              AS deposit_tiyn,
    sum(one.withdrawal_count)          AS withdrawal_count,
    sum(one.withdrawal_tiyn)           AS withdrawal_tiyn,
    max(toTimeZone(one.last_occurred_at, 'Asia/Almaty'))                 AS last_occurred_at
FROM
(
    SELECT *, arrayJoin([0, 1, 2, 3]) AS scope
    FROM person_years
) AS one
GROUP BY iin, organizer_bin, year;

-- As in 0009. A payout whose wager was removed with its month, a year before the payout's, is no payout without one.
CREATE OR REPLACE VIEW wager_payout AS
SELECT
    iin,
    organizer_bin,
    wager_id,
    toTimeZone(minIf(occurred_at, event_type = 'WAGER' AND leg = 1), 'Asia/Almaty') AS staked_at,
    sumIf(leg, event_type = 'WAGER')                                               AS wager_count,
    sumIf(amount_tiyn, event_type = 'WAGER')                                       AS stake_tiyn,
    argMaxIf(odds_milli, revision, event_type = 'WAGER' AND leg = 1)               AS odds_milli,
    sumIf(leg, event_type = 'PAYOUT')                                              AS payout_count,
    sumIf(amount_tiyn, event_type = 'PAYOUT')                                      AS paid_tiyn,
    sumIf(amount_tiyn, event_type = 'PAYOUT' AND kind = 'WINNING')                 AS winning_tiyn,
    sumIf(amount_tiyn, event_type = 'PAYOUT' AND kind = 'REFUND')                  AS refund_tiyn,
    sumIf(amount_tiyn, event_type = 'PAYOUT' AND kind = 'CASH_OUT')                AS cash_out_tiyn,
    toTimeZone(maxIf(occurred_at, event_type = 'PAYOUT' AND leg = 1), 'Asia/Almaty') AS last_paid_at,
    intDiv(stake_tiyn * odds_milli + 999, 1000)                                    AS payable_tiyn,
    multiIf(
        wager_count <= 0 AND ifNull(max(toYYYYMM(wager_occurred_at) IN
            (SELECT month FROM retention_steps WHERE table_name = 'ledger')), 0), 'WAGER_REMOVED',
        wager_count <= 0, 'PAID_WITHOUT_WAGER',
        ifNull(paid_tiyn > payable_tiyn, false), 'PAID_ABOVE_ODDS',
        payout_count <= 0, 'UNPAID',
        'PAID')                                                                    AS status
FROM ledger
WHERE event_type IN ('WAGER', 'PAYOUT')
GROUP BY iin, organizer_bin, wager_id
HAVING wager_count > 0 OR payout_count > 0;

-- As in 0007. What is taken back in a month that was removed cannot be compared with what was booked there.
CREATE OR REPLACE VIEW correction_mismatches AS
WITH
    (iin, organizer_bin, stream_id, sequence) AS entry,
    (event_type, site_id, wager_id, occurred_at, abs(amount_tiyn), payment_method, instrument_kind, instrument_hash,
     instrument_key_version, channel, funding, odds_milli, selections, kind, abs(won_tiyn), wager_occurred_at,
     wager_amount_tiyn, account_id, payment_id, payment_provider, balance_before_tiyn, balance_after_tiyn,
     abs(bonus_tiyn), device_kind, device_id, bet_kind, market_names) AS booked
SELECT
    back.entry_id AS entry_id,
    back.revision AS revision,
    back.organizer_bin AS organizer_bin,
    toTimeZone(back.received_at, 'Asia/Almaty') AS received_at,
    back.ledger_partition AS ledger_partition,
    back.ledger_offset AS ledger_offset
FROM
(
    SELECT
        entry, booked AS is_taken_back, entry_id, revision, organizer_bin, received_at, ledger_partition, ledger_offset,
        toYYYYMM(occurred_at) AS month
    FROM ledger
    WHERE leg = -1
) AS back
LEFT JOIN
(
    SELECT entry, booked AS was_booked, revision + 1 AS revision
    FROM ledger
    WHERE leg = 1 AND (organizer_bin, stream_id, sequence) IN
        (SELECT organizer_bin, stream_id, sequence FROM ledger WHERE leg = -1)
) AS original ON original.entry = back.entry AND original.revision = back.revision
WHERE was_booked != is_taken_back
    AND back.month NOT IN (SELECT month FROM retention_steps WHERE table_name = 'ledger');
