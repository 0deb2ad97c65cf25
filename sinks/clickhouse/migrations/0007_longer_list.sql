-- What version 2 of the ledger adds (D934-42): the account that the money moved on and its balances, who moved the money,
-- bonus money apart from own, the device, the kind of bet and its markets. Null, or empty, in all rows from before.
-- Codecs as in 0001.
ALTER TABLE ledger
    ADD COLUMN IF NOT EXISTS account_id          Nullable(String) CODEC(ZSTD(1)) AFTER wager_amount_tiyn,
    ADD COLUMN IF NOT EXISTS payment_id          Nullable(String) CODEC(ZSTD(1)) AFTER account_id,
    ADD COLUMN IF NOT EXISTS payment_provider    LowCardinality(Nullable(String)) CODEC(ZSTD(1)) AFTER payment_id,
    ADD COLUMN IF NOT EXISTS balance_before_tiyn Nullable(Int64) CODEC(ZSTD(1)) AFTER payment_provider,
    ADD COLUMN IF NOT EXISTS balance_after_tiyn  Nullable(Int64) CODEC(ZSTD(1)) AFTER balance_before_tiyn,
    ADD COLUMN IF NOT EXISTS bonus_tiyn          Nullable(Int64) CODEC(ZSTD(1)) AFTER balance_after_tiyn,
    ADD COLUMN IF NOT EXISTS device_kind         LowCardinality(Nullable(String)) CODEC(ZSTD(1)) AFTER bonus_tiyn,
    ADD COLUMN IF NOT EXISTS device_id           Nullable(String) CODEC(ZSTD(1)) AFTER device_kind,
    ADD COLUMN IF NOT EXISTS bet_kind            LowCardinality(Nullable(String)) CODEC(ZSTD(1)) AFTER device_id,
    ADD COLUMN IF NOT EXISTS market_names        Array(String) CODEC(ZSTD(1)) AFTER bet_kind;

-- As in 0005, with the new values compared too.
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
