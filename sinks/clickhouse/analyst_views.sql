-- The analysts' views, made by `esep roles apply` in a database of their own: the documented ones with a pseudonym in place of
-- the person (O9-5.1, decision 0029). What leads back to a person is not in them: ids of entries, wagers and accounts are
-- tokens under the person's own key, instruments are pseudonyms, instants are cut to the minute, and Kafka's offsets, streams,
-- sites, flags and texts are left out. `person` is empty until `esep pseudonyms update` has seen the person.
-- Each ends in the order of pseudonyms: the tables' own is the order of IINs, that is of dates of birth.
-- {tables}, {definer}, {persons} and {instruments} are filled in; {{name:Type}} is a parameter of the view.

-- {history} is what the three of them show, of the ledger `l` (analyst_history.sql).
CREATE OR REPLACE VIEW person_history DEFINER = {definer} SQL SECURITY DEFINER AS
{history}
ORDER BY person, occurred_at, entry, revision, leg;

-- The same of one person, by the ledger's own order: it reads that person's rows only.
CREATE OR REPLACE VIEW person_history_of DEFINER = {definer} SQL SECURITY DEFINER AS
{history}
WHERE l.iin IN (SELECT original FROM ({persons}) WHERE pseudonym = {{person:String}})
ORDER BY person, occurred_at, entry, revision, leg;

CREATE OR REPLACE VIEW as_known_at DEFINER = {definer} SQL SECURITY DEFINER AS
{history}
WHERE l.received_at < toStartOfMinute({{known_at:DateTime64(3, 'Asia/Almaty')}})
ORDER BY person, occurred_at, entry, revision, leg;

CREATE OR REPLACE VIEW person_daily DEFINER = {definer} SQL SECURITY DEFINER AS
SELECT p.pseudonym AS person, p.birth_years AS birth_years, d.* EXCEPT (iin)
FROM {tables}.person_daily AS d
LEFT JOIN ({persons}) AS p ON p.original = d.iin
ORDER BY person, day, organizer_bin;

CREATE OR REPLACE VIEW person_totals DEFINER = {definer} SQL SECURITY DEFINER AS
SELECT
    p.pseudonym AS person, p.birth_years AS birth_years, t.* EXCEPT (iin, last_occurred_at),
    toDate(t.last_occurred_at, 'Asia/Almaty') AS last_day
FROM {tables}.person_totals AS t
LEFT JOIN ({persons}) AS p ON p.original = t.iin
ORDER BY person, organizer_bin, year;

CREATE OR REPLACE VIEW wager_payout DEFINER = {definer} SQL SECURITY DEFINER AS
SELECT
    p.pseudonym AS person,
    p.birth_years AS birth_years,
    w.organizer_bin AS organizer_bin,
    if(p.pseudonym = '', '', lower(hex(sipHash128Keyed((p.token_key_0, p.token_key_1), w.wager_id)))) AS wager,
    toStartOfMinute(w.staked_at) AS staked_at,
    toStartOfMinute(w.last_paid_at) AS last_paid_at,
    w.* EXCEPT (iin, organizer_bin, wager_id, staked_at, last_paid_at)
FROM {tables}.wager_payout AS w
LEFT JOIN ({persons}) AS p ON p.original = w.iin
ORDER BY person, organizer_bin, wager;

CREATE OR REPLACE VIEW money_movements DEFINER = {definer} SQL SECURITY DEFINER AS
SELECT
    p.pseudonym AS person,
    p.birth_years AS birth_years,
    toStartOfMinute(m.occurred_at) AS occurred_at,
    m.organizer_bin AS organizer_bin,
    m.movement AS movement,
    m.direction AS direction,
    m.amount_tiyn AS amount_tiyn,
    m.is_cash AS is_cash,
    m.payment_method AS payment_method,
    m.payment_provider AS payment_provider,
    m.instrument_kind AS instrument_kind,
    i.pseudonym AS instrument,
    if(p.pseudonym = '' OR m.account_id IS NULL, '',
        lower(hex(sipHash128Keyed((p.token_key_0, p.token_key_1), assumeNotNull(m.account_id))))) AS account,
    m.balance_before_tiyn AS balance_before_tiyn,
    m.balance_after_tiyn AS balance_after_tiyn,
    if(p.pseudonym = '', '', lower(hex(sipHash128Keyed((p.token_key_0, p.token_key_1), m.wager_id)))) AS wager,
    if(p.pseudonym = '', '', lower(hex(sipHash128Keyed((p.token_key_0, p.token_key_1), m.entry_id)))) AS entry,
    m.revision AS revision,
    m.leg AS leg
FROM {tables}.money_movements AS m
LEFT JOIN ({persons}) AS p ON p.original = m.iin
LEFT JOIN ({instruments}) AS i ON i.original = ifNull(m.instrument_hash, '')
ORDER BY person, occurred_at, entry, revision, leg;

CREATE OR REPLACE VIEW order9_lines DEFINER = {definer} SQL SECURITY DEFINER AS
SELECT
    o.organizer_bin AS organizer_bin,
    o.day AS day,
    p.pseudonym AS person,
    p.birth_years AS birth_years,
    toStartOfMinute(o.deposit_first_at) AS deposit_first_at,
    toStartOfMinute(o.deposit_last_at) AS deposit_last_at,
    o.deposit_count AS deposit_count,
    o.deposit_tiyn AS deposit_tiyn,
    toStartOfMinute(o.withdrawal_first_at) AS withdrawal_first_at,
    toStartOfMinute(o.withdrawal_last_at) AS withdrawal_last_at,
    o.withdrawal_count AS withdrawal_count,
    o.withdrawal_tiyn AS withdrawal_tiyn,
    toStartOfMinute(o.stake_first_at) AS stake_first_at,
    toStartOfMinute(o.stake_last_at) AS stake_last_at,
    o.stake_count AS stake_count,
    o.stake_tiyn AS stake_tiyn,
    toStartOfMinute(o.payout_first_at) AS payout_first_at,
    toStartOfMinute(o.payout_last_at) AS payout_last_at,
    o.payout_count AS payout_count,
    o.payout_tiyn AS payout_tiyn
FROM {tables}.order9_lines AS o
LEFT JOIN ({persons}) AS p ON p.original = o.iin
ORDER BY person, day, organizer_bin;

CREATE OR REPLACE VIEW alerts_current DEFINER = {definer} SQL SECURITY DEFINER AS
SELECT
    if(p.pseudonym = '', '', lower(hex(sipHash128Keyed((p.token_key_0, p.token_key_1), a.alert_id)))) AS alert,
    a.revision AS revision,
    a.status AS status,
    a.rule_id AS rule_id,
    a.rule_version AS rule_version,
    a.severity AS severity,
    a.mode AS mode,
    p.pseudonym AS person,
    p.birth_years AS birth_years,
    toStartOfMinute(a.occurred_at) AS occurred_at,
    toStartOfMinute(a.received_at) AS received_at,
    a.organizer_bins AS organizer_bins,
    a.basis AS basis,
    a.observations AS observations,
    length(a.evidence) AS evidence_count
FROM {tables}.alerts_current AS a
LEFT JOIN ({persons}) AS p ON p.original = a.iin
ORDER BY person, alert;

CREATE OR REPLACE VIEW organizer_daily DEFINER = {definer} SQL SECURITY DEFINER AS SELECT * FROM {tables}.organizer_daily;

CREATE OR REPLACE VIEW organizer_monthly DEFINER = {definer} SQL SECURITY DEFINER AS SELECT * FROM {tables}.organizer_monthly;

CREATE OR REPLACE VIEW organizer_hourly DEFINER = {definer} SQL SECURITY DEFINER AS SELECT * FROM {tables}.organizer_hourly;

CREATE OR REPLACE VIEW data_quality DEFINER = {definer} SQL SECURITY DEFINER AS SELECT * FROM {tables}.data_quality;

CREATE OR REPLACE VIEW rejected DEFINER = {definer} SQL SECURITY DEFINER AS
SELECT organizer_bin, toTimeZone(toStartOfMinute(received_at), 'Asia/Almaty') AS received_at, reject_code, field, event_type
FROM {tables}.rejected;

CREATE OR REPLACE VIEW rule_precision DEFINER = {definer} SQL SECURITY DEFINER AS SELECT * FROM {tables}.rule_precision;

CREATE OR REPLACE VIEW retention_steps DEFINER = {definer} SQL SECURITY DEFINER AS SELECT * FROM {tables}.retention_steps;
