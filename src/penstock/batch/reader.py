"""A run as others see it: read-only, beside a running one or long after."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from penstock.batch.journal import journal_path, read_items
from penstock.batch.lock import is_locked
from penstock.batch.outcome import Outcome
from penstock.batch.record import Stored, outcome_of
from penstock.batch.schema import ANSWERED, connect_reader, damaged, tidy
from penstock.errors import JournalError

__all__ = ["Counts", "Found", "Run", "RunInfo", "Session", "open_run"]


class Session(msgspec.Struct, frozen=True):
    """One start of the command. Times are seconds since 1970; `ended_s` None for one that runs or was killed."""

    started_s: float
    ended_s: float | None
    stopped: str | None
    exit_code: int | None


_FIND = (
    "SELECT a.idx, a.custom_id, a.state, a.request_id, a.meta, b.raw, a.digest, a.body FROM answers a "
    "LEFT JOIN bodies b ON b.id = a.body WHERE a.custom_id = ? ORDER BY a.idx LIMIT 1"
)
_FIND_GONE = _FIND.replace("a.idx, ", "-1, ").replace("answers a", "gone a").replace(" ORDER BY a.idx", "")
_STATES = (
    "SELECT custom_id, state FROM answers WHERE substr(custom_id, 1, ?) = ? ORDER BY idx",
    "SELECT custom_id, state FROM gone WHERE substr(custom_id, 1, ?) = ? ORDER BY custom_id",
)


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What the run was told to do."""

    id: str
    created_s: float
    input: str
    output: str
    """A list in Python has none: then the journal's name without its ending."""
    total: int | None
    """Items of the input; None for a pipe that has not ended."""
    settings: dict[str, Any]
    places: dict[str, str] = {}
    """Options that say where something is, those that were named: `journal`, `base_url`, `config`, `schema` ...; and
    the `budget` of the last session."""
    samples: int = 1
    id_column: str | None = None
    is_command: bool = True
    """Whether `penstock run` made it, and goes on with it; otherwise a program did, with `Client.run`."""
    sessions: tuple[Session, ...]
    state: Literal["running", "finished", "stopped", "interrupted"]
    spent_usd: float | None = None
    """By all its sessions, what lost or failed included; None when a price isn't known, or nothing was noted."""


class Counts(msgspec.Struct, frozen=True):
    answered: int
    failed: int
    errors: dict[str, int]
    """Failed items by error code."""


class Found(NamedTuple):
    """One item by its id."""

    item: Stored
    digest: bytes
    body: int | None
    """The number of its body; equal rows share one."""
    has_left: bool
    """Its id isn't in the input any more; `item.idx` is -1."""


class Run:
    """A journal opened for reading. Close it."""

    def __init__(self, path: Path) -> None:
        """`path` is OUT or its journal. Raises `JournalError`."""
        self.journal = journal_path(path)
        self._connection = connect_reader(self.journal)

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()
        tidy(self.journal)

    @property
    def is_running(self) -> bool:
        return is_locked(self.journal)

    @property
    def info(self) -> RunInfo:
        values = {key: msgspec.json.decode(value) for key, value in self._rows("SELECT key, value FROM run")}
        rows = self._rows("SELECT started_at, ended_at, stopped, exit_code FROM sessions ORDER BY id")
        sessions = tuple(Session(*row) for row in rows)
        if "id" not in values:
            raise JournalError(f"{self.journal}: the run ended before it began; nothing was asked")
        return RunInfo(
            id=values["id"],
            created_s=values["created_s"],
            input=values["input"],
            output=values.get("output") or str(self.journal.with_suffix("")),
            total=values.get("total"),
            settings=values.get("settings") or {},
            places=values.get("places") or {},
            samples=values.get("samples", 1),
            id_column=values.get("id_column"),
            is_command="made_by" not in values,
            sessions=sessions,
            state=self._state(sessions),
            spent_usd=spent[0] if (spent := values.get("spent")) and spent[1] else None,
        )

    def counts(self) -> Counts:
        answered, errors = 0, Counter[str]()
        for state, count in self._rows("SELECT state, count(*) FROM answers GROUP BY state"):
            answered += count if state == ANSWERED else 0
        for (meta,) in self._rows("SELECT meta FROM answers WHERE state != 1"):
            errors[msgspec.json.decode(meta).get("error_code", "unknown")] += 1
        return Counts(answered, errors.total(), dict(errors))

    def items(self, *, bodies: bool = True) -> Iterator[Stored]:
        """Every item with an outcome, in input order."""
        try:
            yield from read_items(self._connection, bodies=bodies)
        except sqlite3.DatabaseError as error:
            raise damaged(self.journal, error) from error

    def find(self, custom_id: str) -> Found | None:
        """The item of this id, None where it has no outcome."""
        for query, has_left in ((_FIND, False), (_FIND_GONE, True)):
            for row in self._rows(query, custom_id):
                return Found(Stored._make(row[:6]), row[6], row[7], has_left)
        return None

    def of_body(self, body: int) -> list[tuple[str, bytes]]:
        """Id and meta of every item that has this body, in input order."""
        return self._rows("SELECT custom_id, meta FROM answers WHERE body = ? ORDER BY idx", body)

    def states(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Id and state of every item whose id begins so, those that left the input too."""
        for query in _STATES:
            yield from self._rows(query, len(prefix), prefix)

    def outcomes(self, *, bodies: bool = True) -> Iterator[Outcome]:
        """The same as `items`, decoded."""
        return map(outcome_of, self.items(bodies=bodies))

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise damaged(self.journal, error) from error

    def _state(self, sessions: tuple[Session, ...]) -> Literal["running", "finished", "stopped", "interrupted"]:
        if self.is_running:
            return "running"
        if not sessions or sessions[-1].ended_s is None:
            return "interrupted"
        return "stopped" if sessions[-1].stopped else "finished"


def open_run(path: str | Path) -> Run:
    """The run whose output or journal is at `path`. Raises `JournalError` when there is none that can be read."""
    return Run(Path(path))
