-- What version 2 of an alert adds: it may be about a means of payment, and then names the person of each posting of its
-- evidence and has no person of its own (iin is empty; D934-1..3). Null, or empty, in all rows from before.
-- Codecs as in 0004.
ALTER TABLE alerts
    ADD COLUMN IF NOT EXISTS instrument_hash Nullable(String) CODEC(ZSTD(1)) AFTER reference_version,
    ADD COLUMN IF NOT EXISTS evidence_iins   Array(String) CODEC(ZSTD(1)) AFTER instrument_hash;

-- As in 0005, with what the alert is about.
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
    evidence_iins
FROM alerts
ORDER BY revision DESC
LIMIT 1 BY alert_id;
