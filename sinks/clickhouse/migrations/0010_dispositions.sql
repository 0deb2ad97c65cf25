-- What officers decided about alerts, each decision a row (topic `compliance.dispositions`; DESIGN 7). A later one about
-- the same alert stands in place of those before it, which stay.
-- Deduplication window: 24 h of tokens as in 0001, of one partition.
CREATE TABLE IF NOT EXISTS dispositions
(
    row                   Int64 CODEC(T64, ZSTD(1)),
    received_at           DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    cause_topic           LowCardinality(String) CODEC(ZSTD(1)),
    cause_partition       Int32 CODEC(T64, ZSTD(1)),
    cause_offset          Int64 CODEC(T64, ZSTD(1)),
    alert_id              String CODEC(ZSTD(1)),
    revision              Int32 CODEC(T64, ZSTD(1)),
    verdict               LowCardinality(String) CODEC(ZSTD(1)),
    reference             String CODEC(ZSTD(1)),
    reason                String CODEC(ZSTD(1)),
    officer               LowCardinality(String) CODEC(ZSTD(1)),
    decided_at            DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    disposition_partition Int32 CODEC(T64, ZSTD(1)),
    disposition_offset    Int64 CODEC(T64, ZSTD(1)),
    loaded_at             DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(ZSTD(1)),
    PROJECTION lanes
    (
        SELECT disposition_partition, cause_topic, cause_partition, max(row), max(disposition_offset), count()
        GROUP BY disposition_partition, cause_topic, cause_partition
    )
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(decided_at)
ORDER BY (alert_id, disposition_offset)
SETTINGS non_replicated_deduplication_window = 520000;

-- Every decision beside its alert as it is now. No person: who may see whom an alert is about asks alerts_current.
-- is_last: no later one stands in its place. revision: what the officer saw; alert_revision: what there is now.
CREATE OR REPLACE VIEW alert_dispositions AS
SELECT
    decision.alert_id AS alert_id,
    alert.rule_id AS rule_id,
    alert.rule_version AS rule_version,
    alert.severity AS severity,
    decision.verdict AS verdict,
    decision.reference AS reference,
    decision.reason AS reason,
    decision.officer AS officer,
    toTimeZone(decision.decided_at, 'Asia/Almaty') AS decided_at,
    decision.is_last AS is_last,
    decision.revision AS revision,
    alert.alert_revision AS alert_revision,
    alert.alert_status AS alert_status,
    decision.disposition_offset AS disposition_offset
FROM
(
    SELECT
        alert_id, revision, verdict, reference, reason, officer, decided_at, disposition_offset,
        disposition_offset = max(disposition_offset) OVER (PARTITION BY alert_id) AS is_last
    FROM dispositions
) AS decision
INNER JOIN
(
    SELECT
        alert_id, any(rule_id) AS rule_id, any(rule_version) AS rule_version, any(severity) AS severity,
        max(revision) AS alert_revision, argMax(status, revision) AS alert_status
    FROM alerts
    GROUP BY alert_id
) AS alert ON alert.alert_id = decision.alert_id;

-- How often a rule was right, by its versions. An alert counts once: by its last decision; without one as withdrawn or,
-- if it stands, as open. So raised = confirmed + reported + judged_false + open + withdrawn.
-- precision: of those that were decided about, the share that is confirmed or reported; NULL before the first decision.
CREATE OR REPLACE VIEW rule_precision AS
SELECT
    rule_id,
    rule_version,
    count() AS raised,
    countIf(verdict = 'CONFIRMED') AS confirmed,
    countIf(verdict = 'REPORTED') AS reported,
    countIf(verdict = 'FALSE') AS judged_false,
    countIf(verdict = '' AND status != 'WITHDRAWN') AS open,
    countIf(verdict = '' AND status = 'WITHDRAWN') AS withdrawn,
    if(raised = open + withdrawn, NULL, (confirmed + reported) / (confirmed + reported + judged_false)) AS precision
FROM
(
    SELECT
        alert.rule_id AS rule_id, alert.rule_version AS rule_version, alert.status AS status,
        ifNull(decision.verdict, '') AS verdict
    FROM
    (
        SELECT
            alert_id, any(rule_id) AS rule_id, any(rule_version) AS rule_version, argMax(status, revision) AS status
        FROM alerts
        GROUP BY alert_id
    ) AS alert
    LEFT JOIN
    (
        SELECT alert_id, argMax(verdict, disposition_offset) AS verdict FROM dispositions GROUP BY alert_id
    ) AS decision ON decision.alert_id = alert.alert_id
)
GROUP BY rule_id, rule_version;
