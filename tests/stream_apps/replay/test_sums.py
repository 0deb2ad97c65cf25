"""Final totals of both sides: the same for a line as it is, in any order; every posting of another amount shows."""

from __future__ import annotations

from esep.lineage import Lane, TopicPartition
from esep.stream_apps.replay.differences import content_of
from esep.stream_apps.replay.digests import pieces_of
from esep.stream_apps.replay.sums import FinalTotals
from esep.topics import ACCEPTED, LEDGER
from esep.versions import encode_record
from tests.stream_apps.intake.made_up import LEDGER_PARTITIONS
from tests.stream_apps.replay.memory import BINS, MemoryLog, line, outputs

Made = tuple[Lane, int, list[bytes | None], list[bytes | None]]


def made_anew(log: MemoryLog) -> list[Made]:
    """What intake makes of each lane: here, what there is."""
    made: list[Made] = []
    for output in outputs(log, ACCEPTED):
        (batch,) = log.copy(chunk=9_999).read(output, 0, log.end(output))
        for piece in pieces_of(batch, ACCEPTED)[0]:
            places = piece.places.tolist()
            made.append((
                piece.lane, 1, [batch.keys[place] for place in places], [batch.values[place] for place in places]
            ))  # fmt: skip
    return made


def totals_of(log: MemoryLog, anew: list[Made]) -> FinalTotals:
    totals = FinalTotals(LEDGER_PARTITIONS)
    for output in outputs(log, LEDGER):
        for batch in log.read(output, 0, log.end(output)):
            totals.see_ledger(batch, ())
    for output in outputs(log, ACCEPTED):
        for batch in log.read(output, 0, log.end(output)):
            totals.see_accepted(batch, pieces_of(batch, ACCEPTED)[0])
    for part in anew:
        totals.see_anew([part])
    return totals


def test_sums_do_not_hang_on_the_order_and_count_what_the_ledger_has() -> None:
    """O9-4.6: a ledger that is behind `accepted` has fewer postings, on both sides."""
    log = line().copy()
    anew = made_anew(log)
    for order in (anew, anew[::-1]):
        count, differing = totals_of(log, order).differing(BINS)
        assert (count > 3, differing.height) == (True, 0)
    for output in outputs(log, LEDGER):
        del log.topics[output][5:]
    count, differing = totals_of(log, anew).differing(BINS)
    assert (count > 1, differing.height) == (True, 0)


def test_posting_of_another_amount_shows_in_its_cell_alone() -> None:
    log = line()
    anew = made_anew(log)
    lane, row, keys, values = anew[0]
    content = content_of(ACCEPTED, values[0])
    assert content is not None
    dearer = content | {"amount_tiyn": content["amount_tiyn"] + 7 * content["leg"]}
    anew[0] = (lane, row, keys, [encode_record(dearer, ACCEPTED), *values[1:]])
    _, differing = totals_of(log, anew).differing(BINS)
    (cell,) = differing.rows(named=True)
    assert cell["bin"] == int(content["organizer_bin"])
    sums = [name for name in differing.columns if name.endswith("_tiyn") and cell[name] != cell[f"{name}_other"]]
    assert [abs(cell[name] - cell[f"{name}_other"]) for name in sums] == [7]
    others = [bin_ for bin_ in BINS if bin_ != content["organizer_bin"]]
    assert totals_of(log, anew).differing(others)[1].is_empty()


def test_organizer_of_whose_postings_some_are_deleted_is_left_out() -> None:
    log = line().copy()
    anew = made_anew(log)
    output = anew[0][0].output
    log.topics[output] = log.topics[output][1:]
    totals = totals_of(log, anew)
    (first,) = line().copy(chunk=1).read(output, 0, 1)
    (piece,) = pieces_of(first, ACCEPTED)[0]
    cut_short = piece.lane.cause.topic.split(".")[1]
    assert totals.differing([cut_short])[0] == 0
    assert totals.differing(BINS)[0] == totals.differing([bin_ for bin_ in BINS if bin_ != cut_short])[0] > 0


def test_what_is_no_posting_is_passed_over() -> None:
    totals = FinalTotals(LEDGER_PARTITIONS)
    log = MemoryLog({TopicPartition(LEDGER, 0): [(0, 0, b"k", b"no posting"), (1, 0, None, None)]})
    for batch in log.read(TopicPartition(LEDGER, 0), 0, 2):
        totals.see_ledger(batch, ())
    assert totals.differing(BINS)[0] == 0
