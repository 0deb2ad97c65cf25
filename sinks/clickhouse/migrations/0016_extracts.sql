-- Extracts on request (O114-3, O114-C): who asked for whose data on what basis, who approved or refused it, who made which
-- extract; a row per step. Append-only: what stands of a request is the fold over its steps (extracts/requests.py), in which
-- nobody can approve what the same officer has entered. store_user: as whom the row was written, by the store's own word.
-- The IIN of whom it is about stands here and in the extract's data. A few rows a day: no codecs, no partitions.
CREATE TABLE IF NOT EXISTS extract_steps
(
    request_id      String,
    step            Enum8('REQUESTED' = 1, 'APPROVED' = 2, 'REFUSED' = 3, 'EXTRACTED' = 4),
    noted_at        DateTime64(3, 'UTC'),
    officer         String,
    store_user      String DEFAULT currentUser(),
    reason          String,
    asker           String,
    basis           String,
    case_number     String,
    iin             String,
    organizer_bin   String,
    first_day       Nullable(Date32),
    last_day        Nullable(Date32),
    known_at        Nullable(DateTime64(3, 'UTC')),
    manifest_sha256 String,
    row_count       UInt64
)
ENGINE = MergeTree
ORDER BY (request_id, noted_at, step);

-- The same for supervisors: instants of Almaty, and no person.
CREATE OR REPLACE VIEW extract_register AS
SELECT
    request_id,
    step,
    toTimeZone(noted_at, 'Asia/Almaty') AS noted_at,
    officer,
    store_user,
    reason,
    asker,
    basis,
    case_number,
    iin != ''                           AS is_about_person,
    organizer_bin,
    first_day,
    last_day,
    toTimeZone(known_at, 'Asia/Almaty') AS known_at,
    manifest_sha256,
    row_count
FROM extract_steps;

-- What an extract holds of a posting: what was reported of it, and its place in Kafka. No running totals: a person's go over all
-- organizers and years, which is more than may have been approved. Its columns, but for the last, are version 1 (extracts/layout.py); other
-- columns are a new version and a new view. A posting that lies in the ledger twice is one row.
CREATE OR REPLACE VIEW extract_postings AS
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
    won_tiyn,
    wager_id,
    odds_milli,
    channel,
    funding,
    payment_method,
    payment_provider,
    instrument_kind,
    instrument_hash,
    account_id,
    payment_id,
    balance_before_tiyn,
    balance_after_tiyn,
    flags,
    entry_id,
    revision,
    leg,
    row,
    ledger_partition,
    ledger_offset,
    ledger.occurred_at AS utc_occurred_at -- For conditions: months are partitions, and the other column hides them.
FROM ledger FINAL;
