"""A pipe as a source: read by a thread of its own, since nobody knows when the next line comes.

It can't be checked ahead and can't be read again. Items are numbered in the order in which their ids were first seen,
so that a second pipe of the same ids resumes.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable

from penstock.batch.items import BadItem, Estimate, Item, Shape
from penstock.batch.prescan import canonical, digest_of
from penstock.batch.schema import BAD, FAILED
from penstock.batch.sources import BadRow, Row, Source
from penstock.errors import InputError, PenstockError

__all__ = ["Known", "PipeFeed"]

Known = Callable[[str], tuple[int, bytes, int] | None]
"""What the journal has of a custom_id: its index, digest and state."""

_AHEAD = 256


class PipeFeed:
    """Items from a pipe, one at a time. `next` is for the runner's workers."""

    def __init__(
        self,
        source: Source,
        shape: Shape,
        *,
        known: Known,
        first_free: int,
        skip_bad: bool,
        retry_failed: bool,
        limit: int | None,
        check_model: Callable[[str | None], object],
        estimate: Estimate | None = None,
    ) -> None:
        """`known` is asked for every id; `first_free` is the index that the first new one gets."""
        self._source = source
        self._shape = shape
        self._known = known
        self._next_idx = first_free
        self._skip_bad = skip_bad
        self._retry_failed = retry_failed
        self._limit = limit
        self._check_model = check_model
        self._estimate = estimate
        self._checked: set[str | None] = set()
        self._seen: set[int] = set()
        self._ready: deque[Item | BadItem] = deque()
        self._rows: asyncio.Queue[Row | BadRow | BaseException | None] = asyncio.Queue(_AHEAD)
        self._room = threading.Semaphore(_AHEAD)
        self._loop = asyncio.get_running_loop()
        self._lock = asyncio.Lock()
        self._ended = False
        self.is_cut = False
        """There was more than `limit` lets through."""
        self.resumed = 0
        """Items that an earlier session answered."""
        threading.Thread(target=self._read, name="penstock-pipe", daemon=True).start()

    async def next(self) -> Item | BadItem | None:
        """The next item that is left to ask, None at the end of the pipe.

        Raises `InputError` for a bad line, unless bad lines are skipped, and `ConfigError` for an unusable model.
        """
        async with self._lock:
            while not self._ready and not self._ended:
                row = await self._rows.get()
                self._room.release()
                if isinstance(row, BaseException):
                    self._ended = True
                    raise row
                if row is None:
                    self._ended = True
                    break
                try:
                    self._take(row)
                except PenstockError:
                    self._ended = True
                    raise
            return self._ready.popleft() if self._ready else None

    def _read(self) -> None:
        """In the thread. It ends with the pipe, or with the process: nobody can interrupt a read."""
        end: BaseException | None = None
        try:
            for row in self._source.rows():
                self._room.acquire()
                self._loop.call_soon_threadsafe(self._rows.put_nowait, row)
        except (InputError, OSError) as error:
            end = error
        except RuntimeError:
            return  # the loop is closed: the run was stopped
        self._room.acquire()
        try:
            self._loop.call_soon_threadsafe(self._rows.put_nowait, end)
        except RuntimeError:
            return

    def _take(self, row: Row | BadRow) -> None:
        if self._limit is not None and row.index >= self._limit:
            self._ended = self.is_cut = True
            return
        if isinstance(row, BadRow):
            self._bad(row.line, row.message)
            return
        repeated = hash(row.custom_id)
        if repeated in self._seen:
            self._bad(row.line, f"{self._source.name}:{row.line}: duplicate custom_id {row.custom_id!r}")
            return
        self._seen.add(repeated)
        model = None if self._shape.one_model else row.model
        if model not in self._checked and not self._shape.one_model:
            self._check_model(model)
            self._checked.add(model)
        body, digest = self._shape.body(row), digest_of(row.kind, canonical(row.body))
        for number in range(self._shape.samples):
            custom_id = row.custom_id if self._shape.samples == 1 else f"{row.custom_id}#{number + 1}"
            idx = self._index(custom_id, digest)
            if idx is not None:
                item = Item(idx, custom_id, digest, row.kind, model, body, None)
                item.sample = custom_id if self._shape.apart else str(number or "")
                item.prompt, item.variables = row.prompt, row.variables
                if self._estimate is not None:
                    item.estimate = self._estimate(item)
                self._ready.append(item)

    def _index(self, custom_id: str, digest: bytes) -> int | None:
        """Where the item belongs; None when nothing is left to ask."""
        known = self._known(custom_id)
        if known is None or known[2] == BAD:
            self._next_idx += 1
            return self._next_idx - 1
        idx, before, state = known
        if before != digest and not (state == FAILED and self._retry_failed):
            raise InputError(
                f"{self._source.name}: {custom_id!r} had another body in the earlier run. Give changed prompts new "
                "ids, or start anew with --fresh (the old journal is kept as .bak)"
            )
        if state == FAILED and self._retry_failed:
            return idx
        self.resumed += 1
        return None

    def _bad(self, line: int, message: str) -> None:
        if not self._skip_bad:
            raise InputError(f"{message}\nWhat was answered is kept. --skip-bad sends such lines to the errors file")
        self._ready.append(BadItem(self._next_idx, f"line-{line}", message))
        self._next_idx += 1
