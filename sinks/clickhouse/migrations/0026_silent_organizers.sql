-- What version 3 of an alert adds: it may be about an organizer, and then has no person and no postings (iin and evidence
-- are empty; O9-4.3, O9-4.4). Null in all rows from before. Codecs as in 0004.
ALTER TABLE alerts
    ADD COLUMN IF NOT EXISTS organizer_bin    LowCardinality(Nullable(String)) CODEC(ZSTD(1)) AFTER evidence_iins,
    ADD COLUMN IF NOT EXISTS silence_began_at Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)) AFTER organizer_bin,
    ADD COLUMN IF NOT EXISTS silence_ended_at Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)) AFTER silence_began_at;

-- As in 0018, with the organizer and its silence.
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
    reference_version,
    instrument_hash,
    evidence_iins,
    organizer_bin,
    toTimeZone(silence_began_at, 'Asia/Almaty') AS silence_began_at,
    toTimeZone(silence_ended_at, 'Asia/Almaty') AS silence_ended_at
FROM alerts
ORDER BY revision DESC
LIMIT 1 BY alert_id;
