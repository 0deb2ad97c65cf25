-- The analysts' interface: tables may change, views may not. Days and years are Almaty's (J127-17); sums are of signed
-- amounts and of legs, so that a correction is in them as soon as it is loaded.

-- A person's totals (O9-4.6): per organizer, and across all with an empty organizer_bin; by year, and of all time with
-- year 0. A condition on iin reads that person's rows only.
CREATE OR REPLACE VIEW person_totals AS
SELECT
    iin,
    organizer_bin,
    toYear(occurred_at, 'Asia/Almaty')                                AS year,
    sumIf(leg, event_type = 'WAGER')                                  AS wager_count,
    sumIf(amount_tiyn, event_type = 'WAGER')                          AS wager_tiyn,
    sumIf(leg, event_type = 'PAYOUT' AND kind = 'WINNING')            AS winning_count,
    sumIf(amount_tiyn, event_type = 'PAYOUT' AND kind = 'WINNING')    AS winning_tiyn,
    sumIf(leg, event_type = 'PAYOUT' AND kind = 'REFUND')             AS refund_count,
    sumIf(amount_tiyn, event_type = 'PAYOUT' AND kind = 'REFUND')     AS refund_tiyn,
    sumIf(leg, event_type = 'PAYOUT' AND kind = 'CASH_OUT')           AS cash_out_count,
    sumIf(amount_tiyn, event_type = 'PAYOUT' AND kind = 'CASH_OUT')   AS cash_out_tiyn,
    sumIf(leg, event_type = 'DEPOSIT')                                AS deposit_count,
    sumIf(amount_tiyn, event_type = 'DEPOSIT')                        AS deposit_tiyn,
    sumIf(leg, event_type = 'WITHDRAWAL')                             AS withdrawal_count,
    sumIf(amount_tiyn, event_type = 'WITHDRAWAL')                     AS withdrawal_tiyn,
    max(toTimeZone(occurred_at, 'Asia/Almaty'))                       AS last_occurred_at
FROM ledger
GROUP BY GROUPING SETS ((iin), (iin, year), (iin, organizer_bin), (iin, organizer_bin, year));

-- The last revision of each alert, withdrawn ones included (DESIGN 7).
CREATE OR REPLACE VIEW alerts_current AS
SELECT
    alert_id,
    revision,
    status,
    rule_id,
    rule_version,
    severity,
    mode,
    iin,
    bucket,
    toTimeZone(occurred_at, 'Asia/Almaty') AS occurred_at,
    toTimeZone(received_at, 'Asia/Almaty') AS received_at,
    organizer_bins,
    reason_kk,
    reason_ru,
    reason_en,
    basis,
    observations,
    evidence,
    reference_version
FROM alerts
ORDER BY revision DESC
LIMIT 1 BY alert_id;

-- Corrections that took back other values than were booked: the postings with leg -1 that are not the mirror of what
-- their revision replaced. Intake refuses such a correction while it remembers the event (DESIGN 4); this is the rest.
CREATE OR REPLACE VIEW correction_mismatches AS
WITH
    (iin, organizer_bin, stream_id, sequence) AS entry,
    (event_type, site_id, wager_id, occurred_at, abs(amount_tiyn), payment_method, instrument_kind, instrument_hash,
     instrument_key_version, channel, funding, odds_milli, selections, kind, abs(won_tiyn), wager_occurred_at,
     wager_amount_tiyn) AS booked
SELECT
    back.entry_id AS entry_id,
    back.revision AS revision,
    back.organizer_bin AS organizer_bin,
    toTimeZone(back.received_at, 'Asia/Almaty') AS received_at,
    back.ledger_partition AS ledger_partition,
    back.ledger_offset AS ledger_offset
FROM
(
    SELECT entry, booked AS is_taken_back, entry_id, revision, organizer_bin, received_at, ledger_partition, ledger_offset
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
WHERE was_booked != is_taken_back;
