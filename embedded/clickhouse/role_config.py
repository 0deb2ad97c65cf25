"""Tell the engine which roles there are: its users file, made from the one declaration of roles.

Reads     the declaration (`esep.store_roles`), the name of the line's database
Returns   the text of users.xml
Promises  the line's own connections keep every right; a connection that has taken a role has that role's and no other;
          what others ask and what went wrong for them is seen by the line alone (clause O9-5.1; box: embedded)

The engine in this process has one user, `default`: a person's connection is one that has done SET ROLE. Filters on
roles are not read from this file by chdb-core 26.9, filters on users are; so they ask which roles are current.
"""

from __future__ import annotations

from xml.sax.saxutils import escape

from esep.store_roles import DEFINER, ROLES

LINE = "line"  # The role of all rights, which connections have until they take another.
_NOBODY = "0" * 64  # A digest that no password has.

# Of the tables that every role may read without a grant: those that show other users' statements, values or files.
_HIDDEN = (
    *("processes", "user_processes", "errors", "warnings", "stack_trace", "query_cache", "query_condition_cache"),
    *("query_log", "query_thread_log", "query_views_log", "query_metric_log", "processors_profile_log", "text_log"),
    *("trace_log", "part_log", "session_log", "crash_log", "error_log", "backup_log", "backups", "mutations", "merges"),
    *("asynchronous_insert_log", "asynchronous_inserts", "asynchronous_loader", "view_refreshes", "dropped_tables"),
    *("detached_parts", "settings_changes", "server_settings", "disks", "macros", "named_collections", "moves"),
    *("opentelemetry_span_log", "blob_storage_log", "remote_data_paths", "filesystem_cache", "schema_inference_cache"),
)
_USERS = """<clickhouse>
<profiles><default/></profiles>
<quotas><default/></quotas>
<users>
  <default>
    <password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
    <grants><query>GRANT {names}</query></grants>
    <databases><system>{filters}</system></databases>
  </default>
  <{definer}>
    <password_sha256_hex>{nobody}</password_sha256_hex><networks><ip>::1</ip></networks>
    <profile>default</profile><quota>default</quota>
    <grants><query>GRANT SELECT ON `{database}`.*</query></grants>
  </{definer}>
</users>
<roles>
  <{line}><grants><query>GRANT ALL ON *.* WITH GRANT OPTION</query></grants></{line}>
{roles}
</roles>
</clickhouse>
"""


def users_xml(database: str) -> str:
    """Return the engine's users file for a line in this database."""
    guarded = [role for role in ROLES.values() if role.is_guarded]
    sees_all = f"<filter>has(currentRoles(), '{LINE}')</filter>"
    roles = []
    for role in guarded:
        queries = (f"GRANT {privilege} ON {name}" for privilege, name in role.granted(database))
        grants = "".join(f"<query>{escape(query)}</query>" for query in queries)
        roles.append(f"  <{role.role}><grants>{grants}</grants></{role.role}>")
    return _USERS.format(
        names=", ".join([LINE, *(role.role for role in guarded)]),
        filters="".join(f"<{name}>{sees_all}</{name}>" for name in _HIDDEN),
        roles="\n".join(roles),
        definer=DEFINER,
        nobody=_NOBODY,
        database=escape(database),
        line=LINE,
    )
