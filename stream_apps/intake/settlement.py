"""What becomes of each message once its stream is asked: refusals noted, corrections booked, held, released or refused.

Reads     the accounts of a poll, the verdicts on its events, the candidates among its corrections
Returns   `Settlement`: the final accounts, which messages are held or repeat what was done, what is booked and when,
          what became of corrections that were held
Promises  each message is judged by what came before it on its partition and by nothing else, so that how messages are
          cut into polls changes nothing; streams without corrections cost no work per message (DESIGN §4 "Corrections";
          clause O9-4.5; box: intake)

A correction is booked when it replaces the revision in force and names the values in force. It is held while what it
replaces may still come: its target, or a number between its target and itself, is missing. It repeats if the revision
that it replaces was replaced by the same values already.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from esep.codec import INDEX
from esep.codes import PRECEDENCE
from esep.precedence import PASSED
from esep.stream_apps.intake.sequences import DIGEST_BYTES, VOID, Stream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from esep.lineage import TopicPartition
    from esep.stream_apps.intake.accounts import Account, Accounts
    from esep.stream_apps.intake.corrections import Candidate, Candidates, StreamName
    from esep.stream_apps.intake.decode import Messages

HELD_MAX = 1_000  # Corrections of a stream that wait; a stream's every message below the last of them judges them anew.
HOLD, REPEATED = PASSED + 1, PASSED + 2  # Verdicts on corrections beside the codes and PASSED.


class Settled(NamedTuple):
    """What became of a correction that was held: on which message, in which section, and the verdict."""

    place: int
    section: int
    stream_id: str
    correction: Candidate
    verdict: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """accounts: with the streams as they are after each section. held, duplicate: masks over all messages.

    booked: candidates in order, with the place of the message on which each is booked. settled: in order.
    """

    accounts: list[Account]
    held: np.ndarray
    duplicate: np.ndarray
    booked: list[tuple[int, Candidate]] = field(default_factory=list)
    settled: list[Settled] = field(default_factory=list)


def settle(
    messages: Messages,
    accounts: Accounts,
    verdicts: np.ndarray,
    candidates: Candidates,
    known: Mapping[TopicPartition, Mapping[str, Stream]],
) -> Settlement:
    """Return what becomes of the messages; `verdicts` get those on corrections.

    verdicts: final for all but corrections. known: the streams of each input partition before the poll.
    """
    settlement = Settlement([], np.zeros(len(messages), np.bool_), accounts.duplicate.copy())
    newest: dict[StreamName, Stream] = {}
    waiting = {name: dict(held) for name, held in candidates.held.items()}
    correcting = np.zeros(len(messages), np.bool_)
    correcting[messages.corrections[INDEX].to_numpy()] = True
    for account in accounts.accounts:
        name = (messages.sections[account.section].source, account.stream_id)
        before = newest.get(name) or known[name[0]].get(name[1]) or Stream()
        told, fresh = len(settlement.settled), accounts.fresh[account.places]
        stops = fresh & correcting[account.places]
        if stops.any() or name in waiting:
            walk = _Walk(settlement, account, verdicts, candidates, waiting.setdefault(name, {}))
            after = walk.through(before, fresh, stops)
        else:
            after = account.after
            after.follow(before)
            after.refuse(account.sequences[fresh & (verdicts[account.places] != PASSED)])
        _count(settlement, account, after, verdicts, settlement.settled[told:])
        newest[name] = after
        settlement.accounts.append(account._replace(before=before, after=after))
    return settlement


def judge(correction: Candidate, stream: Stream) -> int:
    """Return the verdict on a correction as its stream is: PASSED (book it), HOLD, REPEATED, or the place of a code."""
    if correction.verdict != PASSED:
        return correction.verdict
    if correction.target in stream.amending:
        return PRECEDENCE["CORRECTION_OF_CORRECTION"]
    if correction.target not in stream.consumed:
        return HOLD
    done = stream.revisions.get(correction.target, ())
    if correction.replaces < len(done):
        return REPEATED if done[correction.replaces] == correction.now else PRECEDENCE["CORRECTION_CONFLICT"]
    if correction.replaces > len(done):
        may_come = not stream.consumed.covers(correction.target + 1, correction.sequence - 1)
        return HOLD if may_come else PRECEDENCE["CORRECTION_REVISION_UNKNOWN"]
    return PASSED if _names_what_is_in_force(correction, stream, done) else PRECEDENCE["CORRECTION_MISMATCH"]


def _names_what_is_in_force(correction: Candidate, stream: Stream, done: tuple[bytes, ...]) -> bool:
    """Return whether `was` is in force, as far as the stream remembers; the rest is compared with the ledger later."""
    if done:
        in_force: bytes | None = done[-1]
    else:
        in_force = VOID if correction.target in stream.refused else stream.digest_of(correction.target)
    if in_force == VOID:
        return correction.was is None
    return correction.was is not None and in_force in {None, correction.was}


@dataclass(frozen=True, slots=True)
class _Walk:
    """One stream in one section, message by message where corrections ask for it, and in runs in between."""

    settlement: Settlement
    account: Account
    verdicts: np.ndarray
    candidates: Candidates
    waiting: dict[int, Candidate]

    def through(self, before: Stream, fresh: np.ndarray, stops: np.ndarray) -> Stream:
        """Return the stream after the section. fresh, stops: which messages are new, which of them corrections."""
        after, at = before.successor(), 0
        _, _, places, sequences, digests, leaves, _, _ = self.account
        while at < len(places):
            end = _end_of_run(stops, fresh, sequences, at, max(after.held, default=0))
            after.take(sequences[at:end], digests[at * DIGEST_BYTES : end * DIGEST_BYTES], leaves[at:end])
            events = fresh[at:end] & ~stops[at:end]
            after.refuse(sequences[at:end][events & (self.verdicts[places[at:end]] != PASSED)])
            if stops[end - 1]:
                self._take(after, int(places[end - 1]))
            self._release(after, int(places[end - 1]))
            at = end
        return after

    def _take(self, stream: Stream, place: int) -> None:
        """Judge a correction that comes now."""
        correction = self.candidates.by_place[place]
        stream.amend(correction.sequence)
        verdict = judge(correction, stream)
        if verdict == HOLD and len(stream.held) >= HELD_MAX:
            verdict = PRECEDENCE["CORRECTION_NOT_HELD"]
        if verdict == HOLD:
            stream.hold(correction.sequence, correction.message)
            self.waiting[correction.sequence] = correction
            self.settlement.held[place] = True
        elif verdict == REPEATED:
            self.settlement.duplicate[place] = True
        elif verdict == PASSED:
            self._book(stream, place, correction)
        else:
            self.verdicts[place] = verdict

    def _release(self, stream: Stream, place: int) -> None:
        """Judge what is held again, in order of sequence, until nothing changes."""
        released = True
        while released and stream.held:
            released = False
            for sequence in sorted(stream.held):
                correction = self.waiting[sequence]
                verdict = judge(correction, stream)
                if verdict == HOLD:
                    continue
                released = True
                stream.hold(sequence, None)
                if verdict == PASSED:
                    self._book(stream, place, correction)
                self.settlement.settled.append(
                    Settled(place, self.account.section, self.account.stream_id, correction, verdict)
                )

    def _book(self, stream: Stream, place: int, correction: Candidate) -> None:
        stream.revise(correction.target, correction.now)
        self.settlement.booked.append((place, correction))


def _end_of_run(stops: np.ndarray, fresh: np.ndarray, sequences: np.ndarray, at: int, last_held: int) -> int:
    """Return where to halt: behind the next correction, or the next message that may fill a gap before a held one."""
    halts = stops[at:] | (fresh[at:] & (sequences[at:] < last_held))
    return at + int(halts.argmax()) + 1 if halts.any() else len(stops)


def _count(
    settlement: Settlement, account: Account, after: Stream, verdicts: np.ndarray, settled: list[Settled]
) -> None:
    """Add to a stream what became of its messages in a section, and of those that it had held."""
    places, of_held = account.places, [one.verdict for one in settled]
    rejected = int(np.count_nonzero(verdicts[places] != PASSED))
    duplicates = int(np.count_nonzero(settlement.duplicate[places]))
    held = int(np.count_nonzero(settlement.held[places]))
    after.accepted += len(places) - rejected - duplicates - held + of_held.count(PASSED)
    after.duplicates += duplicates + of_held.count(REPEATED)
    after.rejected += rejected + sum(verdict < PASSED for verdict in of_held)
