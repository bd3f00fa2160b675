"""Every request that was served, in a few bytes each: what a provider would have billed, or refused."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, Literal

__all__ = ["KINDS", "MAX_ROWS", "Ledger", "RowKind"]

MAX_ROWS: Final = 2_000_000
RowKind = Literal["chat", "completion", "embedding", "other"]
KINDS: Final[tuple[RowKind, ...]] = ("chat", "completion", "embedding", "other")
_KIND_NUMBERS: Final = {kind: number for number, kind in enumerate(KINDS)}
_PREFIXES: Final[dict[RowKind, str]] = {
    "chat": "chatcmpl-sim",
    "completion": "cmpl-sim",
    "embedding": "embd-sim",
    "other": "req-sim",
}
_MAX_NAMES: Final = 60_000
_MAX_NAME_CHARS: Final = 256
_BLOCK_ROWS: Final = 4096
# key, model, fault, status; kind, delivered; input and output tokens; digest; seconds.
_ROW: Final = struct.Struct("<HHHHBBII16sd")
_DELIVERED_AT: Final = struct.calcsize("<HHHHB")
_pack: Final = _ROW.pack


class _Names:
    """Strings kept once each and spoken of by number; beyond the bound all are "(other)"."""

    __slots__ = ("numbers", "texts")

    def __init__(self) -> None:
        self.texts = ["", "(other)"]
        self.numbers: dict[str, int] = {"": 0}

    def number(self, text: str) -> int:
        found = self.numbers.get(text)
        if found is not None:
            return found
        if len(self.texts) >= _MAX_NAMES:
            return 1
        self.texts.append(text[:_MAX_NAME_CHARS])
        self.numbers[text] = len(self.texts) - 1
        return len(self.texts) - 1


class Ledger:
    """A row per request, packed: two million of them take 90 MB. Rows beyond `max_rows` are counted only.

    `run` makes the answers' ids unlike those of another simulator; it has no part in any decision.
    """

    __slots__ = ("_blocks", "_clears", "_faults", "_keys", "_max_rows", "_models", "_name", "_run", "dropped", "served")

    def __init__(self, run: str = "0", *, max_rows: int = MAX_ROWS) -> None:
        self._run = run
        self._max_rows = max_rows
        self._clears = -1
        self.clear()

    def clear(self) -> None:
        """Forget every row and count from zero; no id comes twice."""
        self._clears += 1
        self._name = f"{self._run}.{self._clears}" if self._clears else self._run
        self.served = 0
        """Requests since the start; the next one's `seq`."""
        self.dropped = 0
        self._blocks: list[bytearray] = []
        self._keys = _Names()
        self._models = _Names()
        self._faults = _Names()

    def id_of(self, kind: RowKind, seq: int) -> str:
        """The id in the answer to request `seq`."""
        return f"{_PREFIXES[kind]}-{self._name}-{seq}"

    def add(
        self,
        kind: RowKind,
        model: str,
        *,
        key: str,
        digest: bytes,
        at_s: float,
        status: int = 200,
        input_tokens: int = 0,
        output_tokens: int = 0,
        fault: str = "",
        delivered: bool = False,
    ) -> int:
        """Write a row and return its `seq`. `digest` is the request's, 16 bytes; `at_s` seconds from the start."""
        seq = self.served
        self.served = seq + 1
        if seq >= self._max_rows:
            self.dropped += 1
            return seq
        if not seq % _BLOCK_ROWS:
            self._blocks.append(bytearray())
        self._blocks[-1] += _pack(
            self._keys.numbers.get(key) or self._keys.number(key),
            self._models.numbers.get(model) or self._models.number(model),
            self._faults.number(fault) if fault else 0,
            status,
            _KIND_NUMBERS[kind],
            delivered,
            input_tokens,
            output_tokens,
            digest,
            at_s,
        )
        return seq

    def mark_delivered(self, seq: int) -> None:
        """The whole answer to request `seq` was written to a connection that was still open."""
        if seq < min(self.served, self._max_rows):
            self._blocks[seq // _BLOCK_ROWS][seq % _BLOCK_ROWS * _ROW.size + _DELIVERED_AT] = 1

    def rows(self, since: int = 0, limit: int | None = None) -> Iterator[dict[str, Any]]:
        """Rows from `seq` `since` on, oldest first; those that are added meanwhile come too."""
        seq = max(0, since)
        end = self._max_rows if limit is None else min(self._max_rows, seq + limit)
        while seq < min(self.served, end):
            yield self._row(seq)
            seq += 1

    def totals(self) -> dict[str, Any]:
        """Every kept row, added up: tokens, statuses and faults by count, and how many distinct digests."""
        totals = {"input_tokens": 0, "output_tokens": 0, "delivered": 0}
        statuses: Counter[int] = Counter()
        faults: Counter[int] = Counter()
        digests: set[bytes] = set()
        for block in self._blocks:
            for _, _, fault, status, _, delivered, read, written, digest, _ in _ROW.iter_unpack(block):
                totals["input_tokens"] += read
                totals["output_tokens"] += written
                totals["delivered"] += delivered
                statuses[status] += 1
                if fault:
                    faults[fault] += 1
                digests.add(digest)
        return {
            **totals,
            "statuses": {str(status): count for status, count in sorted(statuses.items())},
            "faults": {self._faults.texts[fault]: count for fault, count in sorted(faults.items())},
            "distinct": len(digests),
        }

    def _row(self, seq: int) -> dict[str, Any]:
        block = self._blocks[seq // _BLOCK_ROWS]
        key, model, fault, status, kind_number, delivered, input_tokens, output_tokens, digest, at_s = _ROW.unpack_from(
            block, seq % _BLOCK_ROWS * _ROW.size
        )
        kind = KINDS[kind_number]
        return {
            "seq": seq,
            "id": self.id_of(kind, seq),
            "key": self._keys.texts[key],
            "model": self._models.texts[model],
            "kind": kind,
            "input_tokens": input_tokens,
            "output_tokens": output_tokens,
            "tokens": input_tokens + output_tokens,
            "status": status,
            "fault": self._faults.texts[fault] or None,
            "delivered": bool(delivered),
            "digest": digest.hex(),
            "at_s": round(at_s, 6),
        }
