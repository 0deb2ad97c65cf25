-- Which reports were issued, a row per file (O9-F, D934-7..11). Append-only, and without any person: what a report said is
-- made again from `coverage`, and its checksum proves that it is the same. A few rows a day: no codecs, no partitions.
CREATE TABLE IF NOT EXISTS reports
(
    report_id     String,
    form          LowCardinality(String),
    organizer_bin LowCardinality(String),
    period        String,
    known_at      Nullable(DateTime64(3, 'UTC')),
    has_movements Bool,
    layout        UInt16,
    checksum      String,
    coverage      String,
    row_count     UInt64,
    made_at       DateTime64(3, 'UTC'),
    version       String,
    officer       String,
    language      LowCardinality(String),
    file_kind     LowCardinality(String)
)
ENGINE = MergeTree
ORDER BY (form, organizer_bin, period, made_at);

-- The Order's form for analysts: a line per organizer, day and person with what moved, both families apart; what bets move
-- within the account is in none of them (O9-F, O9-L1 to L5, O9-LN). Each line is what `esep report order9` says, of all that
-- is loaded. Without a condition on day it goes through the whole ledger.
CREATE OR REPLACE VIEW order9_lines AS
SELECT
    organizer_bin,
    day,
    iin,
    toTimeZone(min(if(movement = 'DEPOSIT' AND legs > 0, at, NULL)), 'Asia/Almaty')    AS deposit_first_at,
    toTimeZone(max(if(movement = 'DEPOSIT' AND legs > 0, at, NULL)), 'Asia/Almaty')    AS deposit_last_at,
    sumIf(legs, movement = 'DEPOSIT')                                                  AS deposit_count,
    sumIf(tiyn, movement = 'DEPOSIT')                                                  AS deposit_tiyn,
    toTimeZone(min(if(movement = 'WITHDRAWAL' AND legs > 0, at, NULL)), 'Asia/Almaty') AS withdrawal_first_at,
    toTimeZone(max(if(movement = 'WITHDRAWAL' AND legs > 0, at, NULL)), 'Asia/Almaty') AS withdrawal_last_at,
    sumIf(legs, movement = 'WITHDRAWAL')                                               AS withdrawal_count,
    sumIf(tiyn, movement = 'WITHDRAWAL')                                               AS withdrawal_tiyn,
    toTimeZone(min(if(movement = 'STAKE' AND legs > 0, at, NULL)), 'Asia/Almaty')      AS stake_first_at,
    toTimeZone(max(if(movement = 'STAKE' AND legs > 0, at, NULL)), 'Asia/Almaty')      AS stake_last_at,
    sumIf(legs, movement = 'STAKE')                                                    AS stake_count,
    sumIf(tiyn, movement = 'STAKE')                                                    AS stake_tiyn,
    toTimeZone(min(if(movement = 'PAYOUT' AND legs > 0, at, NULL)), 'Asia/Almaty')     AS payout_first_at,
    toTimeZone(max(if(movement = 'PAYOUT' AND legs > 0, at, NULL)), 'Asia/Almaty')     AS payout_last_at,
    sumIf(legs, movement = 'PAYOUT')                                                   AS payout_count,
    sumIf(tiyn, movement = 'PAYOUT')                                                   AS payout_tiyn
FROM
(
    SELECT
        organizer_bin,
        toDate(occurred_at, 'Asia/Almaty') AS day,
        iin,
        entry_id,
        occurred_at AS at,
        multiIf(event_type = 'WAGER', 'STAKE', event_type) AS movement,
        sum(leg) AS legs,
        sum(amount_tiyn) AS tiyn
    FROM ledger FINAL
    WHERE event_type IN ('DEPOSIT', 'WITHDRAWAL')
        OR (event_type = 'WAGER' AND ifNull(funding, '') NOT IN ('ACCOUNT_BALANCE', 'BONUS'))
        OR (event_type = 'PAYOUT' AND payment_method != 'ACCOUNT')
    GROUP BY organizer_bin, day, iin, entry_id, at, movement
    HAVING legs != 0 OR tiyn != 0
)
GROUP BY organizer_bin, day, iin;
