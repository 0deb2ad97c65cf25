"""The questions of docs/cookbook.md, asked of a simulation, and the pictures of their answers (`make cookbook`).

Reads     docs/cookbook.md: its questions and their SQL; a simulation that it loads into a ClickHouse of its own
Writes    docs/plots/*.svg
Promises  a picture shows the answer to the query that stands above it on the page, and says in its metadata which
          answer: a test compares. The same answers give the same bytes; no person is named in a picture
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.simulated import load_simulation
from docs.pictures import PLOTS, svg
from esep.embedded.clickhouse import ClickHouseServer
from esep.producers.simulate.plan import Plan
from esep.producers.simulate.register import made_up_register
from esep.settings import Settings
from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.migrate import migrate

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

PAGE = Path(__file__).resolve().parent / "cookbook.md"
_UNTIL = datetime(2026, 11, 22, 19, tzinfo=UTC)  # Midnight in Almaty, from Sunday to Monday.
PLAN = Plan(
    made_up_register(6, 3, _UNTIL), 15_000, 3, _UNTIL, days=35, bad=0.02, duplicates=0.01, corrections=0.02, persons=500
)
_QUESTION = re.compile(r"^### (\d+)\. (.+?)\n.*?^```sql\n(.*?)^```(?:\s*^!\[(.+?)\]\(plots/(\S+?)\))?", re.M | re.S)


class Question(NamedTuple):
    """What the page asks. alt, plot: what its picture shows and the picture's file name; empty if there is none."""

    number: int
    title: str
    sql: str
    alt: str
    plot: str


def questions() -> list[Question]:
    """Return the questions of the page in their order."""
    text = PAGE.read_text(encoding="utf-8")
    return [
        Question(int(found[1]), found[2], found[3], found[4] or "", found[5] or "")
        for found in _QUESTION.finditer(text)
    ]


def ask(client: Client, question: Question) -> list[dict[str, Any]]:
    """Return the answer, a row each."""
    return list(client.query(question.sql).named_results())


def digest(rows: list[dict[str, Any]]) -> str:
    """Return a name of an answer; shares are cut, since the last digits of a sum of fractions depend on its order."""
    plain = [[round(value, 6) if isinstance(value, float) else str(value) for value in row.values()] for row in rows]
    return hashlib.sha256(repr(plain).encode()).hexdigest()


def picture(question: Question, rows: list[dict[str, Any]]) -> str:
    """Return the picture of an answer as SVG."""
    return svg(PLOTS[question.number], rows, title=question.alt, said=digest(rows))


def main() -> None:
    """Write the pictures."""
    with tempfile.TemporaryDirectory(prefix="esep-cookbook-") as folder, ClickHouseServer(Path(folder)) as server:
        settings = Settings(clickhouse_url=server.url)
        migrate(settings)
        load_simulation(settings, PLAN)
        with connect(settings) as client:
            for question in questions():
                if question.plot:
                    drawn = picture(question, ask(client, question))
                    (PAGE.parent / "plots" / question.plot).write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    main()
