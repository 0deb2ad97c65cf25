"""Merkle mountains: one hash over a numbered series, and short proofs that an item stands at its number.

Reads     SHA-256 digests of items numbered 1, 2, 3 …, in any order
Returns   `Mountains`: the largest whole subtrees of what has come; the root of a prefix; proofs, and their check
Promises  the root depends on the items alone, never on the order in which they came; what is kept grows with the
          logarithm of a range and with the number of ranges (DESIGN §4 "Receipts"; boxes: producers, intake)

Item n is leaf n - 1; its hash is the item's digest as it is. A node is SHA-256(0x01, left, right) over 2^level adjacent
leaves, aligned: node i of a level covers leaves i × 2^level and on. The prefix 1 … m is cut into its largest whole
nodes, as the binary digits of m say; these are joined from the right, and the root is SHA-256(0x02, m as 8 bytes,
joined). An item is a message that begins with 0x00, so none can be taken for a node.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

HASH_BYTES = 32
Node = tuple[int, int]  # Level and place.


@dataclass(slots=True)
class Mountains:
    """The whole nodes of a series that are in no larger one. changed: since `copy`, with their hash (None: gone)."""

    nodes: dict[Node, bytes] = field(default_factory=dict)
    changed: dict[Node, bytes | None] = field(default_factory=dict, compare=False)

    def copy(self) -> Mountains:
        """Return a copy that has not changed yet; what is done to it does not change this one."""
        return Mountains(self.nodes.copy())

    def add(self, first: int, digests: Sequence[bytes]) -> None:
        """Add consecutive items from number `first` on, none of which is in yet."""
        start, level, row = first - 1, 0, list(digests)
        while row:
            start, row = self._raise(level, start, row)
            level += 1

    def _raise(self, level: int, start: int, row: list[bytes]) -> tuple[int, list[bytes]]:
        """Take adjacent new nodes of a level: keep what has no other half, return those of the next level."""
        if start % 2 and (left := self._take((level, start - 1))) is not None:
            start, row = start - 1, [left, *row]
        if (start + len(row)) % 2 and (right := self._take((level, start + len(row)))) is not None:
            row = [*row, right]
        if start % 2:
            self._put((level, start), row[0])
            start, row = start + 1, row[1:]
        if len(row) % 2:
            self._put((level, start + len(row) - 1), row[-1])
            row = row[:-1]
        return start // 2, [_node(left, right) for left, right in zip(row[::2], row[1::2], strict=True)]

    def put(self, node: Node, digest: bytes | None) -> None:
        """Set a node, or with None remove it; for restoring."""
        if digest is None:
            self.nodes.pop(node, None)
        else:
            self.nodes[node] = digest

    def root(self, count: int) -> bytes:
        """Return the root of items 1 … count, count from 1 on; KeyError if they have not all come."""
        return _root(count, [self.nodes[peak] for peak in peaks(count)])

    def _put(self, node: Node, digest: bytes) -> None:
        self.nodes[node] = self.changed[node] = digest

    def _take(self, node: Node) -> bytes | None:
        digest = self.nodes.pop(node, None)
        if digest is not None:
            self.changed[node] = None
        return digest


def peaks(count: int) -> list[Node]:
    """Return the largest whole nodes over leaves 0 … count - 1, from the left.

    >>> peaks(11)
    [(3, 0), (1, 4), (0, 10)]
    """
    levels = [level for level in range(count.bit_length() - 1, -1, -1) if count >> level & 1]
    return [(level, (count >> level) - 1) for level in levels]


def prove(digests: Sequence[bytes], number: int) -> list[bytes]:
    """Return the proof that item `number` is among items 1 … len(digests): what `verify` has to be given.

    digests: of all items, in order. The other halves from the leaf up to its peak, then the other peaks from the left.
    """
    count, level_row = len(digests), list(digests)
    level, place = _peak_of(count, number)
    path = []
    for at in range(level):
        path.append(level_row[(number - 1 >> at) ^ 1])
        level_row = [_node(*level_row[i : i + 2]) for i in range(0, len(level_row) - 1, 2)]
    tree = Mountains()
    tree.add(1, digests)
    return path + [tree.nodes[peak] for peak in peaks(count) if peak != (level, place)]


def verify(root: bytes, count: int, number: int, digest: bytes, proof: Sequence[bytes]) -> bool:
    """Return whether the proof shows that item `number` of the `count` under this root has this digest."""
    if not 1 <= number <= count or len(proof) != proof_length(count, number):
        return False
    level, place = _peak_of(count, number)
    for at, other in enumerate(proof[:level]):
        digest = _node(other, digest) if (number - 1) >> at & 1 else _node(digest, other)
    others: Iterator[bytes] = iter(proof[level:])
    return _root(count, [digest if peak == (level, place) else next(others) for peak in peaks(count)]) == root


def proof_length(count: int, number: int) -> int:
    """Return how many hashes a proof for item `number` of `count` has."""
    return _peak_of(count, number)[0] + len(peaks(count)) - 1


def _peak_of(count: int, number: int) -> Node:
    return next(peak for peak in peaks(count) if number - 1 < peak[1] + 1 << peak[0])


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def _root(count: int, hashes: Sequence[bytes]) -> bytes:
    joined = hashes[-1]
    for left in reversed(hashes[:-1]):
        joined = _node(left, joined)
    return sha256(b"\x02" + count.to_bytes(8, "big") + joined).digest()
