"""From the rows of an input to the items of a run: samples counted, options applied, digests made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Protocol

import msgspec

from penstock.batch.digests import Digests
from penstock.batch.notes import BLOCK_ROWS, Digest, Note, Notes, full_digest
from penstock.batch.prescan import Equals, Scan, canonical, digest_of, share_key
from penstock.batch.sources import BadRow, Row, Source, Wanted
from penstock.call import Completion, Kind, PromptVersion
from penstock.errors import InputError
from penstock.wiring import Kept, body_digest

__all__ = ["BadItem", "Estimate", "Hits", "Item", "Known", "Shape", "body_digest_of", "identities", "items"]


_AHEAD = 64


class Item(msgspec.Struct):
    """One thing to ask. `key` is set when another item may be its equal."""

    idx: int
    custom_id: str
    digest: bytes
    kind: Kind
    model: str | None
    body: dict[str, Any]
    key: bytes | None
    estimate: int = 0
    """Tokens that it may cost at a limiter."""
    sample: str = ""
    """What keeps it apart from its equals; "" for the first of them."""
    prompt: PromptVersion | None = None
    variables: dict[str, Any] | None = None
    asked: bytes = b""
    """The digest of its body that the cache goes by; once it was looked up, that of all that it asks."""
    is_new: bool = False
    """The cache was asked for it in vain, and is given the answer by who gets it."""


class Hits(msgspec.Struct):
    """Items that the cache has an answer to. `whole` are those whose answers have no body in OpenAI's form."""

    answers: list[tuple[Item, Kept]] = []
    whole: list[tuple[Item, Completion]] = []


class Known(Protocol):
    """Takes the items that are known already out of a group."""

    def split(self, ahead: list[Item]) -> tuple[Hits | None, list[Item]]:
        """Those that are, and the others in their order. Bodies aren't looked at."""
        ...

    def missed(self, item: Item) -> None:
        """One of the others will be asked, and has its body now."""
        ...


Estimate = Callable[[Item], int]
"""From what is asked to the tokens that it may cost at a limiter."""


class BadItem(msgspec.Struct):
    """A line that is no request, to be recorded as such."""

    idx: int
    custom_id: str
    message: str


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What the command's options make of every row."""

    samples: int = 1
    system: str | None = None
    params: dict[str, Any] = {}
    """Laid over each body, whatever it says itself."""
    response_format: dict[str, Any] | None = None
    """Laid over the bodies of chats alone."""
    apart: bool = False
    """Equal rows are asked each for itself, also of a cache."""
    one_model: bool = False
    """`-m` was given: the bodies' own models don't count."""

    @property
    def changes_nothing(self) -> bool:
        """Every row's body is asked as it stands."""
        return not self.params and self.system is None and self.response_format is None

    def body(self, row: Row) -> dict[str, Any]:
        """The body that is asked."""
        if self.changes_nothing:
            return row.body
        body = {**row.body, **self.params}
        if self.response_format is not None and row.kind == "chat":
            body["response_format"] = self.response_format
        if self.system is not None and row.kind == "chat":
            messages = body["messages"]
            has_own = messages[0].get("role") in ("system", "developer")
            body["messages"] = [{"role": "system", "content": self.system}, *messages[has_own:]]
        return body


def items(
    source: Source,
    shape: Shape,
    *,
    scan: Scan | None,
    equals: Equals | None,
    wanted: Wanted | None,
    estimate: Estimate | None = None,
    known: Known | None = None,
) -> Iterator[Item | BadItem | Hits]:
    """What is left to ask, in input order; `wanted` is asked by an item's own index, None wants them all. `known` are
    told in groups.

    Read some ahead: item by item between two requests, the same work costs three times as much, since each finds the
    processor's caches full of something else. Without a `scan` (a pipe) equal rows are not told apart and repeated
    ids are not found.
    """
    if known is None:
        made = _one_by_one(source, shape, scan=scan, equals=equals, wanted=wanted)
        groups: Iterator[list[Item | BadItem | Hits]] = iter(lambda: list(islice(made, _AHEAD)), [])
    elif scan is None or scan.notes is None:
        made = _one_by_one(source, shape, scan=scan, equals=equals, wanted=wanted, asked=body_digest_of(shape))
        groups = _without_known(iter(lambda: list(islice(made, BLOCK_ROWS)), []), known)
    else:
        groups = _noted(scan.notes, source, shape, equals=equals, wanted=wanted, known=known)
    for ahead in groups:
        if estimate is not None:
            for item in ahead:
                if isinstance(item, Item):
                    item.estimate = estimate(item)
        # Handed out from the end of a list that shrinks: nothing is held longer than it is needed.
        ahead.reverse()
        while ahead:
            yield ahead.pop()


def _without_known(groups: Iterator[list[Item | BadItem]], known: Known) -> Iterator[list[Item | BadItem | Hits]]:
    for group in groups:
        hits, left = known.split([item for item in group if isinstance(item, Item)])
        for item in left:
            known.missed(item)
        rest: list[Item | BadItem] = [*left, *(item for item in group if isinstance(item, BadItem))]
        rest.sort(key=lambda item: item.idx)
        yield [hits, *rest] if hits else [*rest]


def _noted(
    notes: Notes,
    source: Source,
    shape: Shape,
    *,
    equals: Equals | None,
    wanted: Wanted | None,
    known: Known,
) -> Iterator[list[Item | BadItem | Hits]]:
    """From the notes of the first reading: only rows that aren't known are read again."""
    needed: set[int] = set()
    rows = source.rows(wanted=needed.__contains__)
    samples = shape.samples
    for block in notes:
        hits, left = known.split(_of_notes(block, shape, equals, wanted))
        if hits is not None:
            yield [hits]
        needed.clear()
        needed.update(item.idx // samples for item in left)
        # Few at a time: their bodies are to be in the processor's caches when they are asked.
        start = 0
        while start < len(left):
            end = min(start + _AHEAD, len(left))
            while end < len(left) and left[end].idx // samples == left[end - 1].idx // samples:
                end += 1
            part, start = left[start:end], end
            _read_again(part, rows, source, shape)
            for item in part:
                known.missed(item)
            yield [*part]


def _read_again(part: list[Item], rows: Iterator[Row | BadRow], source: Source, shape: Shape) -> None:
    """Give the items, all of the samples of their rows, their bodies; `rows` gives those rows next."""
    samples = shape.samples
    body: dict[str, Any] = {}
    variables: dict[str, Any] | None = None
    at = -1
    for item in part:
        # Samples of one row share its body.
        if item.idx // samples != at:
            at = item.idx // samples
            row = next(rows, None)
            if not isinstance(row, Row) or row.index != at:
                raise InputError(f"{source.name}: it changed while it was being read; run it again")
            body, variables = shape.body(row), row.variables
        item.body, item.variables = body, variables


def _of_notes(block: list[Note], shape: Shape, equals: Equals | None, wanted: Wanted | None) -> list[Item]:
    samples, apart, one_model = shape.samples, shape.apart, shape.one_model
    some_equal = equals if equals is not None and len(equals) else None
    made: list[Item] = []
    for at, row_id, kind, model, digest, asked, hashed in block:
        is_shared = some_equal is not None and hashed in some_equal
        if one_model:
            model = None
        for number in range(samples):
            idx = at * samples + number
            if wanted is None or wanted(idx):
                short = digest[:16]
                key = share_key(short, model, number) if is_shared else None
                custom_id = _id(row_id, samples, number)
                sample = custom_id if apart else str(number or "")
                made.append(Item(idx, custom_id, short, kind, model, {}, key, 0, sample, None, None, asked or digest))
    return made


def body_digest_of(shape: Shape) -> Digest:
    """The digests that the cache goes by of what the rows ask."""
    if shape.changes_nothing:
        return _own_digest
    return lambda row, _, __: body_digest(shape.body(row))


def _own_digest(row: Row, canonical_body: bytes, digest: bytes) -> bytes:
    if row.kind != "chat":
        return body_digest(row.body)
    return body_digest(row.body, encoded=canonical_body, digest=digest)


def _one_by_one(
    source: Source,
    shape: Shape,
    *,
    scan: Scan | None,
    equals: Equals | None,
    wanted: Wanted | None,
    asked: Digest | None = None,
) -> Iterator[Item | BadItem]:
    samples, apart, one_model, as_it_is = shape.samples, shape.apart, shape.one_model, shape.changes_nothing
    repeated = scan.repeated if scan is not None else {}
    some_equal = equals if equals is not None and len(equals) else None
    noted = _noted_digests(scan, source) if asked is None else None
    by = b""
    for row in source.rows(wanted=_of_rows(wanted, samples)):
        if isinstance(row, BadRow):
            is_named = row.custom_id is not None and scan is not None and row.index not in scan.unnamed
            yield BadItem(row.index * samples, (is_named and row.custom_id) or f"line-{row.line}", row.message)
            continue
        if repeated and row.index in repeated:
            yield BadItem(row.index * samples, f"line-{row.line}", repeated[row.index])
            continue
        if noted is not None:
            digest = noted.of(row.index)
        else:
            encoded = canonical(row.body)
            full = full_digest(row.kind, encoded)
            digest = full[:16]
            by = asked(row, encoded, full) if asked is not None else b""
        is_shared = some_equal is not None and hash(digest) in some_equal
        model = None if one_model else row.model
        body = row.body if as_it_is else shape.body(row)
        for number in range(samples):
            idx = row.index * samples + number
            if samples > 1 and wanted is not None and not wanted(idx):
                continue
            key = share_key(digest, model, number) if is_shared else None
            custom_id = row.custom_id if samples == 1 else _id(row.custom_id, samples, number)
            sample = custom_id if apart else str(number) if number else ""
            said = (row.prompt, row.variables, by)
            yield Item(idx, custom_id, digest, row.kind, model, body, key, 0, sample, *said)


def _noted_digests(scan: Scan | None, source: Source) -> Digests | None:
    """Those of the first reading, unless the input is another one by now."""
    noted = scan.digests if scan is not None else None
    return noted if noted is not None and noted.fingerprint == source.fingerprint() else None


def _of_rows(wanted: Wanted | None, samples: int) -> Wanted | None:
    if wanted is None or samples == 1:
        return wanted
    return lambda index: any(wanted(index * samples + number) for number in range(samples))


def identities(source: Source, samples: int, scan: Scan) -> Iterator[tuple[int, str, bytes]]:
    """(index, custom_id, digest) of every item of the input, for the journal to recognise them."""
    for row in source.rows():
        if isinstance(row, BadRow) or row.index in scan.repeated:
            continue
        digest = digest_of(row.kind, canonical(row.body))
        for number in range(samples):
            yield row.index * samples + number, _id(row.custom_id, samples, number), digest


def _id(custom_id: str, samples: int, number: int) -> str:
    return custom_id if samples == 1 else f"{custom_id}#{number + 1}"
