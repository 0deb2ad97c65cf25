"""Merkle mountains: one hash over a numbered series, and short proofs that an item stands at its number.

Reads     SHA-256 digests of items numbered 1, 2, 3 …, in any order
Returns   `Mountains`: the largest whole subtrees of what has come; the root of a prefix; proofs that an item is among
          others, or that some begin others, and their check
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

_RUN = 1 << 14  # Digests held at a time while a proof is made: a megabyte.
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


def root_of(digests: Sequence[bytes]) -> bytes:
    """Return the root of items 1 … len(digests), of which there is one at least; they are read a run at a time."""
    tree = Mountains()
    for start in range(0, len(digests), _RUN):
        tree.add(start + 1, digests[start : start + _RUN])
    return tree.root(len(digests))


def prove(digests: Sequence[bytes], number: int) -> list[bytes]:
    """Return the proof that item `number` is among items 1 … len(digests): what `verify` has to be given.

    digests: of all items, in order; read a run at a time. The hashes of `proof_nodes`.
    """
    return [_hash_of(node, digests) for node in proof_nodes(len(digests), number)]


def proof_nodes(count: int, number: int) -> list[Node]:
    """Return the nodes of a proof: the other halves from the leaf up to its peak, then the other peaks from the left.

    >>> proof_nodes(11, 2)
    [(0, 0), (1, 1), (2, 1), (1, 4), (0, 10)]
    """
    top = _peak_of(count, number)
    path = [(level, (number - 1 >> level) ^ 1) for level in range(top[0])]
    return path + [peak for peak in peaks(count) if peak != top]


def prove_extension(digests: Sequence[bytes], earlier: int) -> list[bytes]:
    """Return the proof that items 1 … earlier begin items 1 … len(digests): what `verify_extension` has to be given."""
    return [_hash_of(node, digests) for node in extension_nodes(earlier, len(digests))]


def extension_nodes(earlier: int, count: int) -> list[Node]:
    """Return the peaks of items 1 … earlier, then the largest whole nodes that lead from there to `count`.

    >>> extension_nodes(5, 11)
    [(2, 0), (0, 4), (0, 5), (1, 3), (1, 4), (0, 10)]
    """
    nodes, at = peaks(earlier), earlier
    while at < count:
        level = min((at & -at).bit_length() - 1, (count - at).bit_length() - 1)
        nodes.append((level, at >> level))
        at += 1 << level
    return nodes


def verify_extension(earlier_root: bytes, earlier: int, root: bytes, count: int, proof: Sequence[bytes]) -> bool:
    """Return whether the proof shows that the first `earlier` of the `count` items under `root` have `earlier_root`."""
    if not 1 <= earlier <= count or len(proof) != len(extension_nodes(earlier, count)):
        return False
    if _root(earlier, proof[: len(peaks(earlier))]) != earlier_root:
        return False
    hill: list[tuple[int, bytes]] = []  # Level and hash of the nodes so far, of which no two can be joined.
    for (level, _), digest in zip(extension_nodes(earlier, count), proof, strict=True):
        while hill and hill[-1][0] == level:
            level, digest = level + 1, _node(hill.pop()[1], digest)  # noqa: PLW2901 - it climbs
        hill.append((level, digest))
    return _root(count, [digest for _, digest in hill]) == root


def verify(root: bytes, count: int, number: int, digest: bytes, proof: Sequence[bytes]) -> bool:
    """Return whether the proof shows that item `number` of the `count` under this root has this digest."""
    if not 1 <= number <= count or len(proof) != len(proof_nodes(count, number)):
        return False
    level, place = _peak_of(count, number)
    for at, other in enumerate(proof[:level]):
        digest = _node(other, digest) if (number - 1) >> at & 1 else _node(digest, other)
    others: Iterator[bytes] = iter(proof[level:])
    return _root(count, [digest if peak == (level, place) else next(others) for peak in peaks(count)]) == root


def path_length(count: int, number: int) -> int:
    """Return how many hashes of a proof for item `number` of `count` lead up to its peak; the others are peaks."""
    return _peak_of(count, number)[0]


def _hash_of(node: Node, digests: Sequence[bytes]) -> bytes:
    """Return the hash of a whole node over the items' digests."""
    level, place = node
    first, last = place << level, (place + 1) << level
    tree = Mountains()
    for start in range(first, last, _RUN):
        tree.add(start - first + 1, digests[start : min(last, start + _RUN)])
    return tree.nodes[level, 0]


def _peak_of(count: int, number: int) -> Node:
    return next(peak for peak in peaks(count) if number - 1 < peak[1] + 1 << peak[0])


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def _root(count: int, hashes: Sequence[bytes]) -> bytes:
    joined = hashes[-1]
    for left in reversed(hashes[:-1]):
        joined = _node(left, joined)
    return sha256(b"\x02" + count.to_bytes(8, "big") + joined).digest()
