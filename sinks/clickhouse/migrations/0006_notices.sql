-- Which written notices were issued, and what they said (O9-5.3). Append-only: a day of which more became known has a
-- second notice with an id of its own. A row per notice and organizer, a few a day: no codecs, no partitions.
CREATE TABLE IF NOT EXISTS notices
(
    notice_id     String,
    organizer_bin LowCardinality(String),
    day           Date,
    due_at        DateTime64(3, 'UTC'),
    issued_at     DateTime64(3, 'UTC'),
    content       String
)
ENGINE = MergeTree
ORDER BY (organizer_bin, day, notice_id);

-- Which days were looked through, be there something to say or not, and how many rows of receipts and rejected the facts
-- of the day came from: what `esep status` asks for the time left, and why a day is not read again while nothing came.
CREATE TABLE IF NOT EXISTS notice_days
(
    day          Date,
    examined_at  DateTime64(3, 'UTC'),
    notice_count UInt32,
    row_count    UInt64
)
ENGINE = MergeTree
ORDER BY (day, examined_at);
