-- The organizer's spool: what it has reported, in the order in which it said so (docs/decisions/0011).
CREATE TABLE spool (
    organizer_bin   TEXT NOT NULL,
    receipts_offset INTEGER NOT NULL  -- The next receipt to read.
);
CREATE TABLE streams (
    id            INTEGER PRIMARY KEY,
    stream_id     TEXT NOT NULL UNIQUE,
    next_sequence INTEGER NOT NULL
);
CREATE TABLE events (
    id             INTEGER PRIMARY KEY,  -- The order in which events are sent.
    stream         INTEGER NOT NULL REFERENCES streams (id),
    sequence       INTEGER NOT NULL,
    value          BLOB NOT NULL,        -- The message, byte for byte.
    bet_at         INTEGER NOT NULL,     -- When the bet was made that this belongs to: UTC, ms; retention counts from it.
    spooled_at     INTEGER NOT NULL,     -- By the wall clock, UTC, ms, for people; nothing is decided by it.
    state          INTEGER NOT NULL,     -- esep.producers.answers.State
    sent_at        INTEGER,              -- As spooled_at: when the broker's acknowledgement came.
    partition      INTEGER,
    offset         INTEGER,
    receipt_offset INTEGER,
    reject_code    TEXT,
    UNIQUE (stream, sequence)
);
CREATE INDEX unsent ON events (id) WHERE state = 0;
CREATE INDEX unanswered ON events (partition, offset) WHERE state = 1;
CREATE TABLE tally (
    state  INTEGER PRIMARY KEY,
    events INTEGER NOT NULL
);
CREATE TABLE coverage (                  -- Per partition the messages of which receipts without a hole between them tell.
    partition      INTEGER PRIMARY KEY,
    from_offset    INTEGER NOT NULL,
    through_offset INTEGER NOT NULL,
    receipt_offset INTEGER NOT NULL      -- The last of these receipts.
);
CREATE TABLE accounts (                  -- Per stream the last account that a receipt gave of it.
    stream         INTEGER NOT NULL REFERENCES streams (id),
    partition      INTEGER NOT NULL,
    consumed       TEXT NOT NULL,        -- [[first, last], …]
    PRIMARY KEY (stream, partition)
);
CREATE TABLE notices (                   -- What receipts said of refused messages.
    partition      INTEGER NOT NULL,
    offset         INTEGER NOT NULL,
    stream         INTEGER REFERENCES streams (id),
    sequence       INTEGER,
    reject_code    TEXT NOT NULL,
    consumes       INTEGER NOT NULL,     -- Whether the refused message used up its number.
    receipt_offset INTEGER NOT NULL,
    PRIMARY KEY (partition, offset)
);
CREATE INDEX notices_of ON notices (stream, sequence);
CREATE TRIGGER an_event_never_changes BEFORE UPDATE OF id, stream, sequence, value, bet_at ON events
BEGIN
    SELECT RAISE(ABORT, 'an event in the spool never changes');
END;
CREATE TRIGGER an_answered_event_stays_answered BEFORE UPDATE OF state ON events WHEN OLD.state >= 2
BEGIN
    SELECT RAISE(ABORT, 'what a receipt said of an event is final');
END;
CREATE TRIGGER only_receipted_events_go BEFORE DELETE ON events WHEN OLD.state != 2
BEGIN
    SELECT RAISE(ABORT, 'an event without a receipt that took it stays in the spool');
END;
