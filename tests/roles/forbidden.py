"""Everything that somebody who has a role may not do in ClickHouse, as statements; and who may after all.

Reads     nothing
Returns   `FORBIDDEN`: for each thing the statements that try it, and the roles that it is allowed
"""

from __future__ import annotations

from typing import NamedTuple

GUARDED = ("loader", "keeper", "analyst", "compliance", "auditor")
_VIEW = {"analyst": "person_daily", "compliance": "person_daily", "auditor": "reports", "loader": "ledger"}


class Thing(NamedTuple):
    """One forbidden thing. allowed: roles whose work it is. fields: of the request, beside the statement."""

    name: str
    statements: tuple[str, ...]
    allowed: tuple[str, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


def visible(role: str) -> str:
    """Return a table or view that a role may read."""
    return _VIEW.get(role, "pseudonym_keys")


_FILES = (
    "SELECT file('/etc/hostname')",
    "SELECT `file`('/etc/hostname')",
    "SELECT \"\\x66ile\"('/etc/hostname')",
    "SELECT file/* */('/etc/hostname')",
    "SELECT ‘'’, file(‘/etc/hostname’), ‘'’",
    "SELECT * APPLY(file) FROM (SELECT '/etc/hostname' AS a)",
    "SELECT arrayMap(x -> file(x), ['/etc/hostname'])",
    "WITH file('/etc/hostname') AS a SELECT a",
)
_SYSTEM = (
    "errors",
    "query_log",
    "processes",
    "text_log",
    "session_log",
    "users",
    "roles",
    "grants",
    "row_policies",
    "settings_profiles",
    "columns",
    "parts",
    "functions",
    "databases",
    "view_refreshes",
    "merges",
    "stack_trace",
    "server_settings",
    "query_cache",
)
_OTHERS = ("ledger", "rejected", "alerts", "person_day", "person_month", "person_posting", "closing_balances")
_VIEWS_OF_PERSONS = (
    "person_history",
    "person_totals",
    "ledger_rows",
    "ledger_counted",
    "alerts_current",
    "order9_lines",
)

FORBIDDEN = (
    Thing(
        "tables with persons",
        tuple(f"SELECT count() FROM esep.{name}" for name in _OTHERS),
        ("compliance", "loader", "keeper"),
    ),
    Thing(
        "who is behind a pseudonym",
        ("SELECT original FROM esep.pseudonyms", "SELECT * FROM esep.pseudonym_keys"),
        ("keeper",),
    ),
    Thing("views with persons", tuple(f"SELECT 1 FROM esep.{name}" for name in _VIEWS_OF_PERSONS), ("compliance",)),
    Thing(
        "more of persons than their numbers",
        (
            "SELECT wager_tiyn FROM esep.person_day",
            "SELECT amount_tiyn FROM esep.ledger",
            "SELECT body FROM esep.rejected",
        ),
        ("compliance", "loader"),
    ),
    Thing("which tables there are", ("SELECT * FROM system.tables",), ("loader",)),
    Thing("the IIN in holds", ("SELECT iin FROM esep.retention_holds", "SELECT * FROM esep.retention_holds")),
    Thing("the log of migrations", ("SELECT * FROM esep.migrations",), ("auditor", "loader")),
    Thing(
        "system tables",
        (
            *tuple(f"SELECT * FROM system.{name}" for name in _SYSTEM),
            "SELECT * FROM `system`.`errors`",
            'SELECT * FROM "system.errors"',
            "SELECT * FROM system/**/.errors",
            "SELECT * FROM SYSTEM.errors",
            "SELECT (SELECT count() FROM system.query_log)",
            "SELECT 1 IN (SELECT code FROM system.errors)",
        ),
        (),
    ),
    Thing(
        "information_schema", ("SELECT * FROM information_schema.tables", "SELECT * FROM INFORMATION_SCHEMA.COLUMNS")
    ),
    Thing("another database", ("SELECT * FROM errors", "SELECT * FROM query_log"), (), (("database", "system"),)),
    Thing("file()", ("SELECT * FROM file('/etc/passwd', 'LineAsString')", *_FILES)),
    Thing(
        "url() and the web",
        (
            "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')",
            "SELECT * FROM s3('http://127.0.0.1:1/a', 'CSV', 'a String')",
            "SELECT * FROM urlCluster('default', 'http://127.0.0.1:1/', 'CSV', 'a String')",
        ),
    ),
    Thing(
        "remote()",
        (
            "SELECT * FROM remote('127.0.0.1', 'esep.ledger')",
            "SELECT * FROM remoteSecure('127.0.0.1', 'esep.ledger')",
            "SELECT * FROM cluster('default', 'esep.ledger')",
            "SELECT * FROM clusterAllReplicas('default', 'system.errors')",
        ),
    ),
    Thing(
        "executable() and python()",
        (
            "SELECT * FROM executable('id', 'TSV', 'a String')",
            "SELECT * FROM python(books)",
            "SELECT * FROM Python(books)",
            "SELECT * FROM eval('SELECT 1')",
        ),
    ),
    Thing(
        "merge() and relatives",
        (
            "SELECT * FROM merge('esep', 'ledger')",
            "SELECT * FROM merge('system', 'errors')",
            "SELECT * FROM mergeTreeIndex('esep', 'ledger')",
            "SELECT * FROM mergeTreeProjection('esep', 'ledger', 'lanes')",
            "SELECT * FROM loop('esep', 'ledger') LIMIT 1",
            "SELECT * FROM filesystem('/etc')",
            "SELECT * FROM sqlite('/etc/passwd', 'a')",
            "SELECT * FROM view(SELECT 1)",
            "SELECT * FROM input('a Int8')",
        ),
    ),
    Thing(
        "dictionaries and joins",
        (
            "SELECT * FROM dictionary('esep.pseudonyms')",
            "SELECT dictGet('esep.pseudonyms', 'original', 1)",
            "SELECT joinGet('esep.pseudonyms', 'original', 1)",
            "SELECT hasColumnInTable('esep', 'retention_holds', 'iin')",
            "CREATE DICTIONARY d (a UInt64) PRIMARY KEY a SOURCE(NULL()) LAYOUT(FLAT()) LIFETIME(0)",
        ),
        (),
    ),
    Thing(
        "INTO OUTFILE",
        (
            "SELECT 1 INTO OUTFILE '/dev/null'",
            "SELECT 1 INTO/**/OUTFILE '/dev/null' FORMAT CSV",
            "SELECT ‘'’ INTO OUTFILE ‘/dev/null’ --'",
            "INSERT INTO FUNCTION file('/dev/null', 'CSV', 'a Int8') SELECT 1",
        ),
    ),
    Thing(
        "settings",
        (
            "SELECT 1 SETTINGS max_execution_time = 0",
            "SELECT 1 FROM (SELECT 1 SETTINGS readonly = 0)",
            "SET readonly = 0",
            "SET max_memory_usage = 0",
            "SELECT 1 FORMAT CSV SETTINGS readonly = 0",
        ),
        (),
    ),
    Thing("settings of the request", ("SELECT 1",), (), (("allow_introspection_functions", "1"),)),
    Thing(
        "files by formats",
        ("SELECT 1 AS a FORMAT Template",),
        (),
        (("format_template_resultset", "/etc/hostname"), ("format_template_row", "/etc/hostname")),
    ),
    Thing("files by schemas", ("SELECT 1 AS a FORMAT Protobuf",), (), (("format_schema", "/etc/a:B"),)),
    Thing("order by settings", ("SELECT 1",), (), (("query_plan_enable_optimizations", "0"),)),
    Thing("SET ROLE", ("SET ROLE line", "SET ROLE ALL", "SET DEFAULT ROLE line TO default", "/* */ SET ROLE line")),
    Thing("a role by the request", ("SELECT 1",), (), (("role", "line"),)),
    Thing(
        "definers",
        (
            "CREATE VIEW esep_analysts.mine DEFINER = esep_views SQL SECURITY DEFINER AS SELECT * FROM esep.ledger",
            "CREATE OR REPLACE VIEW person_daily AS SELECT 1",
            "ALTER TABLE person_daily MODIFY SQL SECURITY INVOKER",
            "EXECUTE AS esep_views SELECT 1",
            "GRANT SELECT ON *.* TO default",
            "CREATE USER me",
        ),
    ),
    Thing(
        "writing to tables",
        (
            "INSERT INTO esep.reports SELECT * FROM esep.reports",
            "INSERT INTO esep.retention_holds (officer) VALUES ('x')",
            "INSERT INTO esep_analysts.person_daily SELECT 1",
        ),
    ),
    Thing(
        "functions among an insert's values",
        (
            "INSERT INTO esep.reidentifications (reason) VALUES (upper('a'))",
            "INSERT INTO ledger (iin) VALUES (file('/etc/a'))",
        ),
    ),
    Thing("writing down a case", ("INSERT INTO esep.reidentifications (officer) VALUES ('x')",), ("keeper",)),
    Thing("writing by a request's body", ("INSERT INTO esep.migrations (name) FORMAT CSV",), (), (), b"x\n"),
    Thing(
        "ALTER, DROP, TRUNCATE",
        (
            "ALTER TABLE esep.ledger DELETE WHERE 1",
            "DROP TABLE esep.ledger",
            "DROP VIEW person_daily",
            "TRUNCATE TABLE esep.ledger",
            "DELETE FROM esep.ledger WHERE 1",
            "RENAME TABLE esep.ledger TO esep.gone",
            "OPTIMIZE TABLE esep.ledger",
            "DETACH TABLE esep.ledger",
            "BACKUP TABLE esep.ledger TO Null",
            "CREATE TABLE esep.mine (a Int8) ENGINE = Memory",
            "CREATE TEMPORARY TABLE mine (a Int8)",
            "CREATE FUNCTION mine AS x -> x",
        ),
    ),
    Thing(
        "KILL and SYSTEM",
        (
            "KILL QUERY WHERE 1",
            "KILL MUTATION WHERE 1",
            "SYSTEM FLUSH LOGS",
            "SYSTEM SHUTDOWN",
            "SYSTEM RELOAD CONFIG",
        ),
    ),
    Thing(
        "EXPLAIN",
        (
            "EXPLAIN SELECT 1",
            "EXPLAIN SYNTAX SELECT * FROM {visible}",
            "SELECT * FROM (EXPLAIN SELECT 1)",
            "SELECT * FROM viewExplain('EXPLAIN', '', (SELECT 1))",
            "EXPLAIN AST SELECT 1",
        ),
    ),
    Thing(
        "DESCRIBE and SHOW",
        (
            "SHOW PROCESSLIST",
            "SHOW CREATE TABLE esep.ledger",
            "SHOW CREATE VIEW {visible}",
            "SHOW GRANTS",
            "SHOW USERS",
            "SHOW TABLES FROM esep",
            "EXISTS TABLE esep.rejected",
            "DESCRIBE TABLE esep.retention_holds",
            "CHECK TABLE esep.ledger",
        ),
        (),
    ),
    Thing("several statements", ("SELECT 1; SELECT 2", "SELECT 1; DROP TABLE esep.ledger", "SELECT 1;;SELECT 2")),
    Thing(
        "comments before", ("-- a\nDROP TABLE esep.ledger", "/* SELECT 1 */ DROP TABLE esep.ledger", "#!\nSHOW GRANTS")
    ),
    Thing("names by parameters", ("SELECT * FROM {{t:Identifier}}",), (), (("param_t", "esep.pseudonyms"),)),
    Thing(
        "internals",
        (
            "SELECT addressToLine(1)",
            "SELECT getServerPort('http_port')",
            "SELECT filesystemAvailable()",
            "SELECT catboostEvaluate('/etc/passwd', 1)",
            "SELECT * FROM executable",
        ),
    ),
)
