"""Which partition a message key belongs to: murmur2, as Kafka's Java client computes it.

Reads     message keys
Returns   their partitions
Promises  the same partition as the Java client's default and librdkafka's `murmur2_random` give for a key that is not
          null (DESIGN §3); the columnar way equals the one key at a time (boxes: producers, intake)
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

_SEED = 0x9747B28C  # These four are Kafka's own: `Utils.murmur2` in org.apache.kafka.common.utils.
_M = 0x5BD1E995
_R = 24
_POSITIVE = 0x7FFFFFFF  # The Java client clears the sign bit before it takes the remainder.
_UINT32 = 0xFFFFFFFF
_KNOWN_MAX = 65_536  # Streams whose hash is remembered: far more than a worker sees at a time, some 10 MB.


@lru_cache(maxsize=_KNOWN_MAX)
def murmur2(key: bytes) -> int:
    """Return the 32-bit hash of a key, unsigned.

    >>> murmur2(b"21") == -973932308 % 2**32
    True
    """
    whole = len(key) & ~3
    digest = _SEED ^ len(key)
    for at in range(0, whole, 4):
        word = int.from_bytes(key[at : at + 4], "little") * _M & _UINT32
        word = (word ^ word >> _R) * _M & _UINT32
        digest = (digest * _M & _UINT32) ^ word
    if whole < len(key):
        digest = (digest ^ int.from_bytes(key[whole:], "little")) * _M & _UINT32
    digest = (digest ^ digest >> 13) * _M & _UINT32
    return digest ^ digest >> 15


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a key, 0 … partitions - 1.

    >>> partition_of(b"cash-desk-1", 4)
    2
    """
    return (murmur2(key) & _POSITIVE) % partitions


def partitions_of(keys: list[bytes], width: int, partitions: int) -> np.ndarray:
    """Return the partition of each key (int64); all keys have `width` bytes, a multiple of 4."""
    words = np.frombuffer(b"".join(keys), dtype="<u4").reshape(len(keys), width // 4)
    digest = np.full(len(keys), _SEED ^ width, dtype=np.uint32)
    for column in words.T:
        word = column * np.uint32(_M)
        word ^= word >> np.uint32(_R)
        digest = digest * np.uint32(_M) ^ word * np.uint32(_M)
    digest = (digest ^ digest >> np.uint32(13)) * np.uint32(_M)
    digest ^= digest >> np.uint32(15)
    return (digest & np.uint32(_POSITIVE)).astype(np.int64) % partitions
