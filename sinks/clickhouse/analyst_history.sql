-- A person's postings as analysts see them, up to the condition: the three views of analyst_views.sql that hold them differ in
-- that alone.
SELECT
    p.pseudonym AS person,
    p.birth_years AS birth_years,
    toTimeZone(toStartOfMinute(l.occurred_at), 'Asia/Almaty') AS occurred_at,
    toTimeZone(toStartOfMinute(l.received_at), 'Asia/Almaty') AS received_at,
    l.organizer_bin AS organizer_bin,
    l.organizer_name AS organizer_name,
    l.event_type AS event_type,
    l.kind AS kind,
    l.amount_tiyn AS amount_tiyn,
    if(p.pseudonym = '', '', lower(hex(sipHash128Keyed((p.token_key_0, p.token_key_1), l.wager_id)))) AS wager,
    l.odds_milli AS odds_milli,
    l.channel AS channel,
    l.funding AS funding,
    l.payment_method AS payment_method,
    i.pseudonym AS instrument,
    l.person_year_wager_tiyn AS person_year_wager_tiyn,
    l.person_ever_wager_tiyn AS person_ever_wager_tiyn,
    if(p.pseudonym = '', '', lower(hex(sipHash128Keyed((p.token_key_0, p.token_key_1), l.entry_id)))) AS entry,
    l.revision AS revision,
    l.leg AS leg
FROM {tables}.ledger AS l
LEFT JOIN ({persons}) AS p ON p.original = l.iin
LEFT JOIN ({instruments}) AS i ON i.original = ifNull(l.instrument_hash, '')
