"""The whole input is read once before anything is sent: every line good, every id once, equal rows found.

Memory is a few bytes a row: 8 for the id and 8 for the body, as hashes in buckets; a suspicion is confirmed by
reading again.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Generator
from hashlib import sha256

import msgspec

from penstock.batch.digests import Digests
from penstock.batch.notes import Notes, full_digest
from penstock.batch.sources import BadRow, Row, Source
from penstock.call import Kind

__all__ = ["Equals", "InPlace", "Scan", "canonical", "digest_of", "prescan", "share_key"]

_BUCKETS = 256
_MOST_SHOWN = 5

canonical = msgspec.json.Encoder(order="sorted").encode
"""One form for bodies that differ only in the order of their keys."""


class Equals:
    """Which bodies occur more than once, as sorted hashes of their digests: a yes may be false, a no is true."""

    __slots__ = ("_hashes",)

    def __init__(self, hashes: array[int]) -> None:
        self._hashes = hashes

    def __contains__(self, hashed: int) -> bool:
        hashes = self._hashes
        if not hashes:
            return False
        at = bisect_left(hashes, hashed)
        return at < len(hashes) and hashes[at] == hashed

    def __len__(self) -> int:
        return len(self._hashes)


class Scan(msgspec.Struct, kw_only=True):
    """What the input holds. `rows` counts every line that is not blank, the bad ones included."""

    rows: int
    bad: int
    first_bad: list[str]
    equals: Equals
    repeated: dict[int, str]
    """By index: rows whose custom_id an earlier row has, and the message that says so."""
    unnamed: frozenset[int] = frozenset()
    """By index: bad rows whose custom_id another row has, so that they go by their line."""
    models: frozenset[str | None]
    """What the bodies name, None when one names none."""
    notes: Notes | None = None
    """Of every row, where they were wanted and could be taken."""
    digests: Digests | None = None
    """Of every row, where bodies were looked at."""

    @classmethod
    def clean(cls, *, rows: int, models: frozenset[str | None]) -> Scan:
        """The scan of an input that is known to have no bad, repeated or equal rows."""
        return cls(rows=rows, bad=0, first_bad=[], equals=Equals(array("q")), repeated={}, models=models)


def digest_of(kind: Kind, canonical_body: bytes) -> bytes:
    """16 bytes of what a row asks, its model apart."""
    return full_digest(kind, canonical_body)[:16]


def share_key(digest: bytes, model: str | None, sample: int) -> bytes:
    """Under what an answer is shared: the body, the model that is asked, and the number of the sample."""
    return sha256(digest + sample.to_bytes(4, "big") + (model or "").encode()).digest()[:16]


class InPlace:
    """Whether all that is known of an earlier input is still where it was: the usual change is lines added behind.

    It looks over the prescan's shoulder, which spares the input a second reading and the journal a rebuilding.
    """

    def __init__(self, known: Generator[tuple[int, str, bytes], None, None]) -> None:
        """`known` are index, custom_id and digest of the journal's items, by index."""
        self._known = known
        self._next = next(known, None)
        self._holds = True

    def see(self, row: Row, digest: bytes) -> None:
        expected = self._next
        if expected is None or not self._holds or row.index < expected[0]:
            return
        self._holds = (row.index, row.custom_id, digest) == expected
        self._next = next(self._known, None)

    def holds(self) -> bool:
        """To be asked when every row was seen; what is known is read no further then."""
        self._known.close()
        return self._holds and self._next is None


def prescan(source: Source, *, find_equals: bool, in_place: InPlace | None = None, notes: Notes | None = None) -> Scan:
    """Read it all. Raises nothing for bad rows: the caller decides whether they stop the run."""
    ids = [array("q") for _ in range(_BUCKETS)]
    digests = [array("q") for _ in range(_BUCKETS)]
    rows = bad = 0
    models: set[str | None] = set()
    first_bad: list[str] = []
    looks = find_equals or in_place is not None or notes is not None
    made = Digests(source.fingerprint())
    for row in source.rows():
        rows += 1
        if isinstance(row, BadRow):
            bad += 1
            made.add()
            if len(first_bad) < _MOST_SHOWN:
                first_bad.append(row.message)
            if row.custom_id is not None:
                hashed = hash(row.custom_id)
                ids[hashed & 255].append(hashed)
            continue
        models.add(row.model)
        hashed = hash(row.custom_id)
        ids[hashed & 255].append(hashed)
        if looks:
            encoded = canonical(row.body)
            full = full_digest(row.kind, encoded)
            digest = full[:16]
            made.add(digest)
            hashed = hash(digest)
            digests[hashed & 255].append(hashed)
            if in_place is not None:
                in_place.see(row, digest)
            if notes is not None:
                notes.add(row, encoded, full, hashed)
    made.finish()
    repeated, unnamed = _confirm(source, _repeats(ids))
    return Scan(
        rows=rows,
        bad=bad,
        first_bad=first_bad,
        equals=Equals(array("q", sorted(_repeats(digests)) if find_equals else [])),
        repeated=repeated,
        unnamed=unnamed,
        models=frozenset(models),
        notes=notes if notes is not None and notes.finish(is_clean=not (bad or repeated)) else None,
        digests=made if looks and made.is_whole else None,
    )


def _repeats(buckets: list[array[int]]) -> set[int]:
    """The values that occur more than once; a bucket is let go as soon as it is looked at."""
    found: set[int] = set()
    for number, bucket in enumerate(buckets):
        if len(set(bucket)) < len(bucket):
            seen: set[int] = set()
            for value in bucket:
                (found if value in seen else seen).add(value)
        buckets[number] = array("q")
    return found


def _confirm(source: Source, suspects: set[int]) -> tuple[dict[int, str], frozenset[int]]:
    """Good rows that repeat a good one's id, with what to say of them; and bad rows whose id isn't theirs alone."""
    if not suspects:
        return {}, frozenset()
    first: dict[str, int] = {}
    repeated: dict[int, str] = {}
    bad: list[tuple[int, str]] = []
    for row in source.rows():
        if row.custom_id is None or hash(row.custom_id) not in suspects:
            continue
        if isinstance(row, BadRow):
            bad.append((row.index, row.custom_id))
            continue
        line = first.setdefault(row.custom_id, row.line)
        if line != row.line:
            repeated[row.index] = (
                f"{source.name}:{row.line}: duplicate custom_id {row.custom_id!r}, first used on line {line}; "
                "expected every custom_id once"
            )
    unnamed: set[int] = set()
    for index, custom_id in bad:
        if first.setdefault(custom_id, -1 - index) != -1 - index:
            unnamed.add(index)
    return repeated, frozenset(unnamed)
