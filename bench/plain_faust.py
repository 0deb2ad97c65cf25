"""The yardstick: totals as a plain Faust agent writes it, one record at a time.

Reads     the topic `accepted`
Writes    the topic `plain.ledger`, and the changelog of its table
Promises  the same work as `stream_apps/totals`: decode, the running totals of person and person with organizer, this
          year and ever, state with a changelog, encode, send; at-least-once, which is all that Faust itself gives here

Run by `python -m bench`; alone: `BROKER=host:port python -m bench.plain_faust worker --without-web`.
"""

from __future__ import annotations

import os
from typing import Any

import faust

from esep.clock import almaty_day_of, to_ms
from esep.codec import decode_one, encode_one
from esep.schemas import schema

ACCEPTED, LEDGER = schema("accepted"), schema("ledger")
MEASURES = ("wager", "winning", "refund", "cash_out", "deposit", "withdrawal")

app = faust.App(
    "plain-totals",
    broker=f"kafka://{os.environ['BROKER']}",
    value_serializer="raw",
    store="memory://",
    topic_disable_leader=True,
    web_enabled=False,
    consumer_auto_offset_reset="earliest",
    stream_wait_empty=False,
    datadir=os.environ.get("DATADIR", "."),
)
accepted = app.topic("accepted", key_type=bytes, value_type=bytes)
ledger = app.topic("plain.ledger", key_type=bytes, value_type=bytes)
totals = app.Table("plain-totals", default=lambda: [0] * (2 * len(MEASURES)), partitions=4)
rows: dict[int, int] = {}


@app.agent(accepted)
async def book(events: Any) -> None:
    """Add each posting to the totals of its scopes and send it on with the totals after it."""
    async for event in events.events():
        posting = decode_one(event.value, ACCEPTED)
        message = event.message
        row = rows[message.partition] = rows.get(message.partition, 0) + 1
        entry = {
            **posting,
            "row": row,
            "cause_topic": message.topic,
            "cause_partition": message.partition,
            "cause_offset": message.offset,
            "origin_topic": posting["cause_topic"],
            "origin_partition": posting["cause_partition"],
            "origin_offset": posting["cause_offset"],
        }
        measure = MEASURES.index("wager" if posting["event_type"] == "WAGER" else posting["kind"].lower())
        year = almaty_day_of(to_ms(posting["occurred_at"])).year
        for scope, key in (("person", posting["iin"]), ("organizer", f"{posting['iin']}/{posting['organizer_bin']}")):
            for span, part in (("year", f"/{year}"), ("ever", "")):
                sums = list(totals[key + part])
                sums[2 * measure] += posting["leg"]
                sums[2 * measure + 1] += posting["amount_tiyn"]
                totals[key + part] = sums
                for place, name in enumerate(MEASURES):
                    entry[f"{scope}_{span}_{name}_count"] = sums[2 * place]
                    entry[f"{scope}_{span}_{name}_tiyn"] = sums[2 * place + 1]
        await ledger.send(key=event.key, value=encode_one(entry, LEDGER))


if __name__ == "__main__":
    app.main()
