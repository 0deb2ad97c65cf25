"""The authority's ClickHouse for commands that can do without it.

Reads     `Settings`
Returns   a client, for as long as a context lasts
Promises  a missing library and whatever the server says become errors that say what to do (clause O9-5.3)
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from esep.errors import SettingInvalid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clickhouse_connect.driver.client import Client

    from esep.settings import Settings


@contextmanager
def stored(settings: Settings) -> Iterator[Client]:
    """Give a client of the store; SettingInvalid where its library is missing, otherwise as `translate` says."""
    try:
        from clickhouse_connect.driver.exceptions import DatabaseError  # noqa: PLC0415 - an extra

        from esep.sinks.clickhouse.client import connect, translate  # noqa: PLC0415 - likewise
    except ModuleNotFoundError as error:
        raise SettingInvalid(
            f"the authority's store needs the library {error.name}, which is not installed",
            hint="install it with: pip install 'esep[sink]'; an organizer names its topic or a file instead",
        ) from error
    try:
        with connect(settings) as client:
            yield client
    except DatabaseError as error:
        raise translate(error, f"ClickHouse at {settings.clickhouse_url}") from error
