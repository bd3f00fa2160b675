"""What this user spends in a day on this machine: one small file that several processes claim from.

A process claims some ahead and gives back what it didn't need; what a killed one had claimed counts as spent.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from penstock.errors import ConfigError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["Daybook"]

_UNITS = 10**12
_AHEAD = 100
"""A claim is at least this part of the day's budget."""


class Daybook:
    """The till of a day's budget: a `Till`. `path` is made when it isn't there."""

    def __init__(self, path: Path, per_day_usd: float, *, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._most = math.floor(per_day_usd * _UNITS)
        self._now = now
        self._left = 0
        self._looked_s = -math.inf
        self._looked_on = ""
        with self._told():
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._locked():
                pass

    def period(self) -> str:
        """The day, UTC."""
        return time.strftime("%Y-%m-%d", time.gmtime(self._now()))

    def left(self) -> int:
        """What can still be claimed; looked up once a second, and on a new day."""
        now, today = self._now(), self.period()
        if abs(now - self._looked_s) >= 1.0 or today != self._looked_on:
            self._looked_s, self._looked_on = now, today
            self._left = max(0, self._most - self._read())
        return self._left

    def claim(self, units: int) -> int:
        with self._told(), self._locked():
            claimed = self._read()
            free = max(0, self._most - claimed)
            taken = 0 if free < units else min(free, max(units, self._most // _AHEAD))
            if taken:
                self._write(claimed + taken)
            self._left = free - taken
            return taken

    def give_back(self, units: int) -> None:
        """What can't be given back counts as spent."""
        if units > 0:
            with contextlib.suppress(ConfigError), self._told(), self._locked():
                self._write(max(0, self._read() - units))

    def _read(self) -> int:
        try:
            days = json.loads(self._path.read_text(encoding="utf-8"))
            return int(days.get(self.period(), 0))
        except FileNotFoundError:
            return 0
        except (ValueError, AttributeError, TypeError, OSError) as error:
            raise ConfigError(
                f"{self._path}: what was spent today can't be read ({error}); move the file away to begin anew"
            ) from error

    def _write(self, units: int) -> None:
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            fresh.write_text(json.dumps({self.period(): units}), encoding="utf-8")
            fresh.replace(self._path)
        except OSError:
            with contextlib.suppress(OSError):
                fresh.unlink()
            raise

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """What the file system refuses is an error in words."""
        try:
            yield
        except OSError as error:
            raise ConfigError(
                f"[budget] per_day: what is spent in a day is kept in {self._path}: {error.strerror or error}"
            ) from error

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with self._path.with_name(self._path.name + ".lock").open("a") as lock:
            if fcntl is not None:
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield
