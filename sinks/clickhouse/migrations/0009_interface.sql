-- The analysts' interface, beside 0005: docs/analysts.md says column by column what each view holds. Tables may change, views
-- may not. Days, hours and months are Almaty's (J127-17); sums are of signed amounts and of legs, so that a correction is
-- in them as soon as it is loaded. sum of a roll-up's sums: parts that are not merged yet hold a key more than once.

-- A person's postings, both legs of a correction included. A condition on iin reads that person's rows only.
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
FROM ledger;

-- The same, and only what had been received at an instant: without the corrections and late events that came after it.
CREATE OR REPLACE VIEW as_known_at AS
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
FROM ledger
WHERE received_at <= {known_at:DateTime64(3, 'Asia/Almaty')};

-- What a person did with an organizer on a day.
CREATE OR REPLACE VIEW person_daily AS
SELECT
    iin,
    day,
    organizer_bin,
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
GROUP BY iin, day, organizer_bin;

-- What an organizer took and paid on a day, and with how many persons.
CREATE OR REPLACE VIEW organizer_daily AS
SELECT
    organizer_bin,
    day,
    uniqCombined64Merge(14)(persons) AS person_count,
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
FROM organizer_day
GROUP BY organizer_bin, day;

-- The same by month, named by its first day.
CREATE OR REPLACE VIEW organizer_monthly AS
SELECT
    organizer_bin,
    toStartOfMonth(day)        AS first_day,
    uniqCombined64Merge(14)(persons) AS person_count,
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
FROM organizer_day
GROUP BY organizer_bin, first_day;

-- What an organizer took and paid in an hour, named by its beginning.
CREATE OR REPLACE VIEW organizer_hourly AS
SELECT
    organizer_bin,
    toDate(toTimeZone(hour_at, 'Asia/Almaty')) AS day,
    toHour(toTimeZone(hour_at, 'Asia/Almaty')) AS hour,
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
FROM organizer_hour
GROUP BY organizer_bin, day, hour;

-- Each wager with what was paid on it, corrections settled. A wager that was voided and on which nothing was paid is left
-- out. Rounding is the organizer's: less than a tiyn above the odds is not more than they allow.
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
        wager_count <= 0, 'PAID_WITHOUT_WAGER',
        ifNull(paid_tiyn > payable_tiyn, false), 'PAID_ABOVE_ODDS',
        payout_count <= 0, 'UNPAID',
        'PAID')                                                                    AS status
FROM ledger
WHERE event_type IN ('WAGER', 'PAYOUT')
GROUP BY iin, organizer_bin, wager_id
HAVING wager_count > 0 OR payout_count > 0;

-- Money that a person handed to an organizer or got from one: deposits and withdrawals; stakes that were not paid from the
-- account's balance or a bonus; payouts that did not go to the account. Balances are the account's as the organizer names
-- them (O9-L2 to L5, O9-LN; D934-42).
CREATE OR REPLACE VIEW money_movements AS
SELECT
    iin,
    toTimeZone(occurred_at, 'Asia/Almaty')                                AS occurred_at,
    organizer_bin,
    site_id,
    multiIf(event_type = 'WAGER', 'STAKE', event_type)                    AS movement,
    if(event_type IN ('DEPOSIT', 'WAGER'), 'IN', 'OUT')                   AS direction,
    amount_tiyn,
    payment_method = 'CASH' OR ifNull(funding = 'CASH', false)            AS is_cash,
    payment_method,
    payment_provider,
    instrument_kind,
    instrument_hash,
    account_id,
    payment_id,
    balance_before_tiyn,
    balance_after_tiyn,
    wager_id,
    entry_id,
    revision,
    leg
FROM ledger
WHERE event_type IN ('DEPOSIT', 'WITHDRAWAL')
    OR (event_type = 'WAGER' AND ifNull(funding, '') NOT IN ('ACCOUNT_BALANCE', 'BONUS'))
    OR (event_type = 'PAYOUT' AND payment_method != 'ACCOUNT');

-- How well an organizer's feed is, by the hour in which it was received. Lag and clock are those of events, not of corrections.
CREATE OR REPLACE VIEW data_quality AS
SELECT
    organizer_bin,
    toDate(toTimeZone(hour_at, 'Asia/Almaty')) AS day,
    toHour(toTimeZone(hour_at, 'Asia/Almaty')) AS hour,
    sum(postings)              AS posting_count,
    max(lag_p50)               AS lag_p50_ms,
    max(lag_p99)               AS lag_p99_ms,
    sum(ahead)                 AS clock_ahead_count,
    max(ahead_max)             AS clock_ahead_ms_max,
    sum(refused)               AS rejected_count,
    sum(repeated)              AS duplicate_count,
    sum(held)                  AS held_count
FROM
(
    WITH dateDiff('millisecond', occurred_at, received_at) AS lag_ms, revision = 0 AS is_event
    SELECT
        organizer_bin,
        toStartOfHour(received_at)                        AS hour_at,
        count()                                           AS postings,
        quantileTDigestIf(0.5)(lag_ms, is_event)          AS lag_p50,
        quantileTDigestIf(0.99)(lag_ms, is_event)         AS lag_p99,
        countIf(is_event AND lag_ms < 0)                  AS ahead,
        maxIf(-lag_ms, is_event AND lag_ms < 0)           AS ahead_max,
        0                                                 AS refused,
        0                                                 AS repeated,
        0                                                 AS held
    FROM ledger
    GROUP BY organizer_bin, hour_at
    UNION ALL
    SELECT organizer_bin, toStartOfHour(received_at), 0, 0, 0, 0, 0, count(), 0, 0
    FROM rejected
    GROUP BY ALL
    UNION ALL
    SELECT organizer_bin, toStartOfHour(received_at), 0, 0, 0, 0, 0, 0, sum(duplicate_count), sum(held_count)
    FROM receipts
    GROUP BY ALL
)
GROUP BY organizer_bin, day, hour;
