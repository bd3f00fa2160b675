"""Keys: a value that never shows itself, and a pool that sets bad ones aside."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from penstock.errors import CallError, ErrorKind

__all__ = ["Key", "KeyPool", "Secret"]

_CHECK_FILES_EVERY_S = 2.0
_MOST_KEY_BYTES = 64 * 1024
QUOTA_ASIDE_S = 600.0
"""A key without credit is tried again after so long: accounts are topped up."""


class Secret:
    """A key or a token. Only `reveal` shows it; it is equal by value and can't be pickled."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        if not value:
            raise ValueError("a secret is not empty")
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(("Secret", self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is never pickled or copied to another process")


class Key:
    """One place in a pool. `secret` is None for a server that wants no key."""

    __slots__ = ("aside_until_s", "file", "kind", "reason", "secret", "stamp")

    def __init__(self, secret: Secret | None, file: Path | None = None) -> None:
        self.secret = secret
        self.file = file
        self.stamp = _stamp(file)
        """What told the file's content last: time and size."""
        self.aside_until_s = -math.inf
        self.kind: ErrorKind = "auth"
        self.reason = ""
        """Why it is set aside, in the provider's words."""

    def is_usable(self, now_s: float) -> bool:
        return now_s >= self.aside_until_s


class KeyPool:
    """A provider's keys. Shared by all limiters of the provider; lives on their loop.

    Without keys the pool has one place that holds none, so that a refusal of keyless requests is remembered as well.
    `files` names for each key the file it came from, or None: such a key is read again when its file changes.
    """

    def __init__(self, keys: Sequence[Secret] = (), *, name: str = "", files: Sequence[Path | None] = ()) -> None:
        self.name = name
        """The provider, for messages."""
        paths = [*files, *[None] * (len(keys) - len(files))]
        self.keys: tuple[Key, ...] = tuple(map(Key, keys, paths)) or (Key(None),)
        self._listeners: list[Callable[[], None]] = []
        self._check_at_s = -math.inf if any(paths) else math.inf

    def __repr__(self) -> str:
        return f"KeyPool({self.name!r}, {len(self.keys)} keys)"

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever a key comes, goes or is set aside."""
        self._listeners.append(listener)

    def usable(self, now_s: float) -> list[Key]:
        """The keys that may be used now."""
        return [key for key in self.keys if now_s >= key.aside_until_s]

    def set_aside(self, key: Key, error: CallError, now_s: float) -> None:
        """Don't use `key` any more: for good, or for a while when its account is out of credit.

        A key whose file has changed since it was read is replaced instead.
        """
        if self._read_again(key):
            self._changed()
            return
        wait_s = math.inf
        if error.kind == "quota_exhausted":
            wait_s = QUOTA_ASIDE_S if error.retry_after_s is None else error.retry_after_s
        key.aside_until_s = now_s + wait_s
        key.kind = error.kind
        key.reason = str(error)
        self._changed()

    def refusal(self, target: str) -> CallError:
        """The error for a call when no key is usable: what the last one was refused with."""
        key = max(self.keys, key=lambda key: key.aside_until_s)
        what = "the key was" if len(self.keys) == 1 else f"all {len(self.keys)} keys were"
        if key.secret is None:
            what = "a request without a key was"
        return CallError(key.kind, f"{what} refused; {key.reason}", target=target, sent=False)

    def replace(self, keys: Sequence[Secret]) -> None:
        """Use these keys from now on. A key that stays keeps what is known of its limits and is usable again."""
        old = {key.secret: key for key in self.keys}
        fresh = [old.get(secret) or Key(secret) for secret in dict.fromkeys(keys)]
        for key in fresh:
            key.aside_until_s = -math.inf
        self.keys = tuple(fresh) or (Key(None),)
        self._check_at_s = -math.inf if any(key.file for key in fresh) else math.inf
        self._changed()

    def refresh(self, now_s: float) -> None:
        """Look whether a key's file has changed; at most every two seconds, and never when no key has a file."""
        if now_s < self._check_at_s:
            return
        self._check_at_s = now_s + _CHECK_FILES_EVERY_S
        # Every file is looked at, so no `any` that stops at the first.
        if sum(self._read_again(key) for key in self.keys):
            self._changed()

    @property
    def watches_files(self) -> bool:
        return self._check_at_s < math.inf

    def _read_again(self, key: Key) -> bool:
        """True when the key's file now holds another key, which has taken its place."""
        if key.file is None or (stamp := _stamp(key.file)) is None or stamp == key.stamp:
            return False
        key.stamp = stamp
        try:
            with key.file.open("rb") as file:
                value = file.read(_MOST_KEY_BYTES).decode("ascii").strip()
        except (OSError, UnicodeDecodeError):
            # A rotation under way; the old key serves until the new one can be read.
            key.stamp = None
            return False
        if not value or any(character.isspace() for character in value):
            return False
        secret = Secret(value)
        if secret == key.secret:
            return False
        place = self.keys.index(key)
        self.keys = (*self.keys[:place], Key(secret, key.file), *self.keys[place + 1 :])
        return True

    def _changed(self) -> None:
        for listener in self._listeners:
            listener()


def _stamp(file: Path | None) -> tuple[int, int, int] | None:
    if file is None:
        return None
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
