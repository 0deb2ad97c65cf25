-- The ledger in fewer bytes (docs/decisions/0041): columns that others give are no longer kept but worked out (ALIAS), from
-- what is missing of them to others, which is mostly the same from row to row or nothing. Whoever names a column finds it as
-- before; `SELECT *` is asked of `ledger_rows`, which has all columns of a posting. The loader works out what is missing
-- (narrow.py). Order, identity, partitions, window of tokens and size of parts: as 0001 says.
-- The 48 running totals are three lists, in the order of the twelve measures of each scope. own_year: what the person did
-- with the organizer in the year of the bet; others_year: in that year with others; other_years: in all other years with this
-- organizer, then with others. Empty for nothing but zeros, and what is behind a list's end is 0.
-- The rows are written anew, in one statement that puts the new table in the old one's place once it is whole; the store needs
-- room for both until then, and no loader may run. Tokens go with the old table, which a loader sees (`Store.layout`).
-- Repeated, it writes the same rows again. Rows that are there twice stay so, for the roll-ups have them twice.
CREATE OR REPLACE TABLE ledger
(
    row_behind                      Int64 CODEC(T64, ZSTD(1)),
    lag_ms                          Int64 CODEC(T64, ZSTD(1)),
    cause_topic                     LowCardinality(String) CODEC(ZSTD(1)),
    cause_partition                 Int32 CODEC(T64, ZSTD(1)),
    cause_behind                    Int64 CODEC(T64, ZSTD(1)),
    origin_topic                    LowCardinality(String) CODEC(ZSTD(1)),
    origin_partition                Int32 CODEC(T64, ZSTD(1)),
    origin_offset                   Int64 CODEC(T64, ZSTD(1)),
    other_name                      String CODEC(ZSTD(1)),
    revision                        Int32 CODEC(T64, ZSTD(1)),
    leg                             Int32 CODEC(T64, ZSTD(1)),
    event_type                      LowCardinality(String) CODEC(ZSTD(1)),
    organizer_bin                   LowCardinality(String) CODEC(ZSTD(1)),
    stream_id                       LowCardinality(String) CODEC(ZSTD(1)),
    sequence                        Int64 CODEC(T64, ZSTD(1)),
    site_id                         LowCardinality(String) CODEC(ZSTD(1)),
    iin                             String CODEC(ZSTD(1)),
    wager_id                        String CODEC(ZSTD(1)),
    occurred_at                     DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    amount_tiyn                     Int64 CODEC(T64, ZSTD(1)),
    payment_method                  LowCardinality(String) CODEC(ZSTD(1)),
    instrument_kind                 LowCardinality(Nullable(String)) CODEC(ZSTD(1)),
    instrument_hash                 Nullable(String) CODEC(ZSTD(1)),
    instrument_key_version          Nullable(Int32) CODEC(T64, ZSTD(1)),
    channel                         LowCardinality(Nullable(String)) CODEC(ZSTD(1)),
    funding                         LowCardinality(Nullable(String)) CODEC(ZSTD(1)),
    odds_milli                      Nullable(Int32) CODEC(T64, ZSTD(1)),
    selections                      Array(Tuple(event_id String, market_id String, outcome_id String, odds_milli Int32))
                                    CODEC(ZSTD(1)),
    kind                            LowCardinality(Nullable(String)) CODEC(ZSTD(1)),
    won_tiyn                        Nullable(Int64) CODEC(ZSTD(1)),
    wager_occurred_at               Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    wager_amount_tiyn               Nullable(Int64) CODEC(ZSTD(1)),
    account_id                      Nullable(String) CODEC(ZSTD(1)),
    payment_id                      Nullable(String) CODEC(ZSTD(1)),
    payment_provider                LowCardinality(Nullable(String)) CODEC(ZSTD(1)),
    balance_before_tiyn             Nullable(Int64) CODEC(ZSTD(1)),
    balance_after_tiyn              Nullable(Int64) CODEC(ZSTD(1)),
    bonus_tiyn                      Nullable(Int64) CODEC(ZSTD(1)),
    device_kind                     LowCardinality(Nullable(String)) CODEC(ZSTD(1)),
    device_id                       Nullable(String) CODEC(ZSTD(1)),
    bet_kind                        LowCardinality(Nullable(String)) CODEC(ZSTD(1)),
    market_names                    Array(LowCardinality(String)) CODEC(ZSTD(1)),
    organizer_name                  LowCardinality(String) CODEC(ZSTD(1)),
    organizer_kind                  LowCardinality(String) CODEC(ZSTD(1)),
    licence_number                  LowCardinality(String) CODEC(ZSTD(1)),
    birth_year_hint                 Nullable(Int32) CODEC(T64, ZSTD(1)),
    sex_hint                        LowCardinality(Nullable(String)) CODEC(ZSTD(1)),
    flags                           Int64 CODEC(T64, ZSTD(1)),
    reference_version               Int64 CODEC(T64, ZSTD(1)),
    body_sha256                     FixedString(32) CODEC(ZSTD(1)),
    own_year                        Array(Int64) CODEC(ZSTD(1)),
    others_year                     Array(Int64) CODEC(ZSTD(1)),
    other_years                     Array(Int64) CODEC(ZSTD(1)),
    ledger_partition                Int32 CODEC(T64, ZSTD(1)),
    ledger_offset                   Int64 CODEC(T64, ZSTD(1)),
    loaded_at                       DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(ZSTD(1)),
    -- Worked out: the places and the name, and the totals of each scope.
    row                             Int64 ALIAS ledger_offset - row_behind,
    received_at                     DateTime64(3, 'UTC')
        ALIAS fromUnixTimestamp64Milli(toUnixTimestamp64Milli(occurred_at) + lag_ms, 'UTC'),
    cause_offset                    Int64 ALIAS ledger_offset - cause_behind,
    entry_id                        String
        ALIAS if(other_name = '', concat(organizer_bin, '/', stream_id, '/', toString(sequence)), other_name),
    person_year_wager_count         Int64 ALIAS own_year[1] + others_year[1],
    person_year_wager_tiyn          Int64 ALIAS own_year[2] + others_year[2],
    person_year_winning_count       Int64 ALIAS own_year[3] + others_year[3],
    person_year_winning_tiyn        Int64 ALIAS own_year[4] + others_year[4],
    person_year_refund_count        Int64 ALIAS own_year[5] + others_year[5],
    person_year_refund_tiyn         Int64 ALIAS own_year[6] + others_year[6],
    person_year_cash_out_count      Int64 ALIAS own_year[7] + others_year[7],
    person_year_cash_out_tiyn       Int64 ALIAS own_year[8] + others_year[8],
    person_year_deposit_count       Int64 ALIAS own_year[9] + others_year[9],
    person_year_deposit_tiyn        Int64 ALIAS own_year[10] + others_year[10],
    person_year_withdrawal_count    Int64 ALIAS own_year[11] + others_year[11],
    person_year_withdrawal_tiyn     Int64 ALIAS own_year[12] + others_year[12],
    person_ever_wager_count         Int64 ALIAS own_year[1] + others_year[1] + other_years[1] + other_years[13],
    person_ever_wager_tiyn          Int64 ALIAS own_year[2] + others_year[2] + other_years[2] + other_years[14],
    person_ever_winning_count       Int64 ALIAS own_year[3] + others_year[3] + other_years[3] + other_years[15],
    person_ever_winning_tiyn        Int64 ALIAS own_year[4] + others_year[4] + other_years[4] + other_years[16],
    person_ever_refund_count        Int64 ALIAS own_year[5] + others_year[5] + other_years[5] + other_years[17],
    person_ever_refund_tiyn         Int64 ALIAS own_year[6] + others_year[6] + other_years[6] + other_years[18],
    person_ever_cash_out_count      Int64 ALIAS own_year[7] + others_year[7] + other_years[7] + other_years[19],
    person_ever_cash_out_tiyn       Int64 ALIAS own_year[8] + others_year[8] + other_years[8] + other_years[20],
    person_ever_deposit_count       Int64 ALIAS own_year[9] + others_year[9] + other_years[9] + other_years[21],
    person_ever_deposit_tiyn        Int64 ALIAS own_year[10] + others_year[10] + other_years[10] + other_years[22],
    person_ever_withdrawal_count    Int64 ALIAS own_year[11] + others_year[11] + other_years[11] + other_years[23],
    person_ever_withdrawal_tiyn     Int64 ALIAS own_year[12] + others_year[12] + other_years[12] + other_years[24],
    organizer_year_wager_count      Int64 ALIAS own_year[1],
    organizer_year_wager_tiyn       Int64 ALIAS own_year[2],
    organizer_year_winning_count    Int64 ALIAS own_year[3],
    organizer_year_winning_tiyn     Int64 ALIAS own_year[4],
    organizer_year_refund_count     Int64 ALIAS own_year[5],
    organizer_year_refund_tiyn      Int64 ALIAS own_year[6],
    organizer_year_cash_out_count   Int64 ALIAS own_year[7],
    organizer_year_cash_out_tiyn    Int64 ALIAS own_year[8],
    organizer_year_deposit_count    Int64 ALIAS own_year[9],
    organizer_year_deposit_tiyn     Int64 ALIAS own_year[10],
    organizer_year_withdrawal_count Int64 ALIAS own_year[11],
    organizer_year_withdrawal_tiyn  Int64 ALIAS own_year[12],
    organizer_ever_wager_count      Int64 ALIAS own_year[1] + other_years[1],
    organizer_ever_wager_tiyn       Int64 ALIAS own_year[2] + other_years[2],
    organizer_ever_winning_count    Int64 ALIAS own_year[3] + other_years[3],
    organizer_ever_winning_tiyn     Int64 ALIAS own_year[4] + other_years[4],
    organizer_ever_refund_count     Int64 ALIAS own_year[5] + other_years[5],
    organizer_ever_refund_tiyn      Int64 ALIAS own_year[6] + other_years[6],
    organizer_ever_cash_out_count   Int64 ALIAS own_year[7] + other_years[7],
    organizer_ever_cash_out_tiyn    Int64 ALIAS own_year[8] + other_years[8],
    organizer_ever_deposit_count    Int64 ALIAS own_year[9] + other_years[9],
    organizer_ever_deposit_tiyn     Int64 ALIAS own_year[10] + other_years[10],
    organizer_ever_withdrawal_count Int64 ALIAS own_year[11] + other_years[11],
    organizer_ever_withdrawal_tiyn  Int64 ALIAS own_year[12] + other_years[12],
    -- Highest row and offset per lane, without reading the table: what the loader asks when it is given a partition.
    PROJECTION lanes
    (
        SELECT ledger_partition, cause_topic, cause_partition, max(row), max(ledger_offset), count()
        GROUP BY ledger_partition, cause_topic, cause_partition
    )
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(occurred_at)
PRIMARY KEY (iin, toDate(occurred_at), organizer_bin)
ORDER BY (iin, toDate(occurred_at), organizer_bin, stream_id, sequence, revision, leg)
SETTINGS non_replicated_deduplication_window = 2100000, deduplicate_merge_projection_mode = 'rebuild',
         min_bytes_for_wide_part = 268435456
AS WITH
    [
        person_year_wager_count, person_year_wager_tiyn, person_year_winning_count, person_year_winning_tiyn,
        person_year_refund_count, person_year_refund_tiyn, person_year_cash_out_count, person_year_cash_out_tiyn,
        person_year_deposit_count, person_year_deposit_tiyn, person_year_withdrawal_count, person_year_withdrawal_tiyn
    ] AS person_year,
    [
        person_ever_wager_count, person_ever_wager_tiyn, person_ever_winning_count, person_ever_winning_tiyn,
        person_ever_refund_count, person_ever_refund_tiyn, person_ever_cash_out_count, person_ever_cash_out_tiyn,
        person_ever_deposit_count, person_ever_deposit_tiyn, person_ever_withdrawal_count, person_ever_withdrawal_tiyn
    ] AS person_ever,
    [
        organizer_year_wager_count, organizer_year_wager_tiyn, organizer_year_winning_count, organizer_year_winning_tiyn,
        organizer_year_refund_count, organizer_year_refund_tiyn, organizer_year_cash_out_count, organizer_year_cash_out_tiyn,
        organizer_year_deposit_count, organizer_year_deposit_tiyn, organizer_year_withdrawal_count,
        organizer_year_withdrawal_tiyn
    ] AS organizer_year,
    [
        organizer_ever_wager_count, organizer_ever_wager_tiyn, organizer_ever_winning_count, organizer_ever_winning_tiyn,
        organizer_ever_refund_count, organizer_ever_refund_tiyn, organizer_ever_cash_out_count, organizer_ever_cash_out_tiyn,
        organizer_ever_deposit_count, organizer_ever_deposit_tiyn, organizer_ever_withdrawal_count,
        organizer_ever_withdrawal_tiyn
    ] AS organizer_ever,
    organizer_year AS own_year_all,
    arrayMap((all, own) -> all - own, person_year, organizer_year) AS others_year_all,
    arrayMap((ever, year) -> ever - year, organizer_ever, organizer_year) AS own_others,
    arrayMap((ever, year, own) -> ever - year - own, person_ever, person_year, own_others) AS others_others,
    arrayConcat(own_others, others_others) AS other_years_all
SELECT
    ledger_offset - row AS row_behind,
    toUnixTimestamp64Milli(received_at) - toUnixTimestamp64Milli(occurred_at) AS lag_ms,
    cause_topic,
    cause_partition,
    ledger_offset - cause_offset AS cause_behind,
    origin_topic,
    origin_partition,
    origin_offset,
    if(entry_id = concat(organizer_bin, '/', stream_id, '/', toString(sequence)), '', entry_id) AS other_name,
    revision,
    leg,
    event_type,
    organizer_bin,
    stream_id,
    sequence,
    site_id,
    iin,
    wager_id,
    occurred_at,
    amount_tiyn,
    payment_method,
    instrument_kind,
    instrument_hash,
    instrument_key_version,
    channel,
    funding,
    odds_milli,
    selections,
    kind,
    won_tiyn,
    wager_occurred_at,
    wager_amount_tiyn,
    account_id,
    payment_id,
    payment_provider,
    balance_before_tiyn,
    balance_after_tiyn,
    bonus_tiyn,
    device_kind,
    device_id,
    bet_kind,
    market_names,
    organizer_name,
    organizer_kind,
    licence_number,
    birth_year_hint,
    sex_hint,
    flags,
    reference_version,
    body_sha256,
    arrayExists(one -> one != 0, own_year_all) ? own_year_all : [] AS own_year,
    arrayExists(one -> one != 0, others_year_all) ? others_year_all : [] AS others_year,
    arrayExists(one -> one != 0, other_years_all) ? other_years_all : [] AS other_years,
    ledger_partition,
    ledger_offset,
    loaded_at
FROM ledger
SETTINGS max_partitions_per_insert_block = 0, optimize_on_insert = 0, max_table_size_to_drop = 0;

-- The ledger's rows with all columns that a posting has in Kafka, totals among them, and where it stood there.
CREATE OR REPLACE VIEW ledger_rows AS
SELECT
    row, received_at, cause_topic, cause_partition, cause_offset, origin_topic, origin_partition, origin_offset, entry_id,
    revision, leg, event_type, organizer_bin, stream_id, sequence, site_id, iin, wager_id, occurred_at, amount_tiyn,
    payment_method, instrument_kind, instrument_hash, instrument_key_version, channel, funding, odds_milli, selections, kind,
    won_tiyn, wager_occurred_at, wager_amount_tiyn, account_id, payment_id, payment_provider, balance_before_tiyn,
    balance_after_tiyn, bonus_tiyn, device_kind, device_id, bet_kind, market_names, organizer_name, organizer_kind,
    licence_number, birth_year_hint, sex_hint, flags, reference_version, body_sha256, person_year_wager_count,
    person_year_wager_tiyn, person_year_winning_count, person_year_winning_tiyn, person_year_refund_count,
    person_year_refund_tiyn, person_year_cash_out_count, person_year_cash_out_tiyn, person_year_deposit_count,
    person_year_deposit_tiyn, person_year_withdrawal_count, person_year_withdrawal_tiyn, person_ever_wager_count,
    person_ever_wager_tiyn, person_ever_winning_count, person_ever_winning_tiyn, person_ever_refund_count,
    person_ever_refund_tiyn, person_ever_cash_out_count, person_ever_cash_out_tiyn, person_ever_deposit_count,
    person_ever_deposit_tiyn, person_ever_withdrawal_count, person_ever_withdrawal_tiyn, organizer_year_wager_count,
    organizer_year_wager_tiyn, organizer_year_winning_count, organizer_year_winning_tiyn, organizer_year_refund_count,
    organizer_year_refund_tiyn, organizer_year_cash_out_count, organizer_year_cash_out_tiyn, organizer_year_deposit_count,
    organizer_year_deposit_tiyn, organizer_year_withdrawal_count, organizer_year_withdrawal_tiyn, organizer_ever_wager_count,
    organizer_ever_wager_tiyn, organizer_ever_winning_count, organizer_ever_winning_tiyn, organizer_ever_refund_count,
    organizer_ever_refund_tiyn, organizer_ever_cash_out_count, organizer_ever_cash_out_tiyn, organizer_ever_deposit_count,
    organizer_ever_deposit_tiyn, organizer_ever_withdrawal_count, organizer_ever_withdrawal_tiyn, ledger_partition,
    ledger_offset, loaded_at
FROM ledger;

-- As in 0012, with all columns.
CREATE OR REPLACE VIEW ledger_counted AS
WITH
    (
        SELECT mapFromArrays(groupArray(place), groupArray(ends))
        FROM
        (
            SELECT toUInt64(month) * 1000000 + partition AS place, max(last_offset) + 1 AS ends
            FROM retention_lanes
            WHERE attempt IN (SELECT attempt FROM retention_steps WHERE table_name = 'ledger' AND NOT is_removed)
            GROUP BY place
        )
    ) AS closed_up_to
SELECT *
FROM ledger_rows
WHERE ledger_offset >= closed_up_to[toUInt64(toYYYYMM(occurred_at)) * 1000000 + ledger_partition];
