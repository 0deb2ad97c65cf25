-- The pseudonyms under which analysts see persons and means of payment (`esep pseudonyms`; O9-5.1, decision 0029). They are
-- made outside of ClickHouse, where the key is; who reads these tables knows the persons, so that nobody does but the keeper
-- and the definer of the analysts' views.
-- Ordered by pseudonym, so that nothing that is read in this order tells the order of IINs. token_key: of the person, under
-- which the ids of wagers and entries are hidden, for they lead to whoever has an organizer's own books.
-- A pseudonym that is written again stands in place of itself.
CREATE TABLE IF NOT EXISTS pseudonyms
(
    key_version UInt32 CODEC(T64, ZSTD(1)),
    kind        Enum8('PERSON' = 1, 'INSTRUMENT' = 2) CODEC(ZSTD(1)),
    pseudonym   String CODEC(ZSTD(1)),
    original    String CODEC(ZSTD(1)),
    birth_years LowCardinality(String) CODEC(ZSTD(1)),
    token_key_0 UInt64 CODEC(ZSTD(1)),
    token_key_1 UInt64 CODEC(ZSTD(1)),
    made_at     DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(made_at)
ORDER BY (key_version, kind, pseudonym);

-- Which key is in use: the highest version here. A version comes here once every person has a pseudonym under it.
-- check_value: tells that a later run has the same key, and nothing of the key.
CREATE TABLE IF NOT EXISTS pseudonym_keys
(
    key_version UInt32,
    check_value String,
    in_use_from DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree
ORDER BY key_version;

-- Who was named again, by whom, for which case and on which basis; a row is written before the IIN is told. No IIN stands here.
CREATE TABLE IF NOT EXISTS reidentifications
(
    noted_at    DateTime64(3, 'UTC'),
    pseudonym   String,
    case_number String,
    legal_basis String,
    reason      String,
    officer     String,
    is_found    Bool
)
ENGINE = MergeTree
ORDER BY (noted_at, pseudonym);
