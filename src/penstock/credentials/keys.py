"""Keys: a value that never shows itself, and a pool that sets bad ones aside."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from penstock.credentials.files import KeyFile
from penstock.errors import CallError, ErrorKind

__all__ = ["CHECK_FILES_EVERY_S", "Key", "KeyPool", "Secret"]

CHECK_FILES_EVERY_S = 2.0
"""A key's file is looked at so often, at most."""
_QUOTA_ASIDE_S = 600.0
"""A key without credit is tried again after so long: accounts are topped up."""
_REFUSED_ASIDE_S = 60.0
_REFUSED_ASIDE_MOST_S = 3600.0
"""A key that was refused likewise, and twice as long after each time: providers refuse good keys on bad days."""
_TRIAL_S = 30.0
"""So long one request alone tries a key that was set aside; without a word from it another one does."""
_log = logging.getLogger("penstock.credentials")


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

    __slots__ = ("aside_until_s", "file", "kind", "reason", "refusals", "secret", "trial_s")

    def __init__(self, secret: Secret | None, file: KeyFile | None = None) -> None:
        self.secret = secret
        self.file = file
        self.kind: ErrorKind = "auth"
        self.reason = ""
        """Why it was set aside, in the provider's words."""
        self.welcome()

    def is_usable(self, now_s: float) -> bool:
        return now_s >= self.aside_until_s

    def welcome(self) -> None:
        """As if it had never been refused."""
        self.aside_until_s = -math.inf
        """`-inf` for one that is trusted; a time that has passed for one that must be tried."""
        self.trial_s = math.inf
        """When the request that tries it was sent; `inf` while none does."""
        self.refusals = 0


class KeyPool:
    """A provider's keys. Shared by all limiters of the provider; lives on their loop.

    Without keys the pool has one place that holds none, so that a refusal of keyless requests is remembered as well.
    `files` names for each key the file it came from, or None: such a key is read again when its file changes.
    `announce` is told each key before it is used.
    """

    def __init__(
        self,
        keys: Sequence[Secret] = (),
        *,
        name: str = "",
        files: Sequence[Path | None] = (),
        announce: Callable[[str], object] | None = None,
    ) -> None:
        self.name = name
        """The provider, for messages."""
        self.keys: tuple[Key, ...] = ()
        self._announce = announce
        self._listeners: list[Callable[[], None]] = []
        self._check_at_s = math.inf
        self.replace(keys, files=files)

    def __repr__(self) -> str:
        return f"KeyPool({self.name!r}, {len(self.keys)} keys)"

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever a key comes, goes, is set aside or is trusted again."""
        self._listeners.append(listener)

    def usable(self, now_s: float) -> list[Key]:
        """The keys that may be used now."""
        return [key for key in self.keys if now_s >= key.aside_until_s]

    def replace(self, keys: Sequence[Secret], *, files: Sequence[Path | None] = ()) -> bool:
        """Use these keys from now on; True when they are other ones. What is in flight ends with its own.

        A key that stays keeps what is known of its limits, and is trusted again.
        """
        paths = dict(zip(keys, [*files, *[None] * (len(keys) - len(files))], strict=True))
        old = {key.secret: key for key in self.keys if key.secret is not None}
        fresh = [old.get(secret) or Key(secret) for secret in paths]
        for key, path in zip(fresh, paths.values(), strict=True):
            self._introduce(key.secret)
            key.welcome()
            if path is None or key.file is None or key.file.path != path:
                key.file = None if path is None else KeyFile(path)
        before = {key.secret for key in self.keys}
        self.keys = tuple(fresh) or (Key(None),)
        self._check_at_s = -math.inf if any(key.file for key in fresh) else math.inf
        self._changed()
        return before != {key.secret for key in self.keys}

    def copied(self) -> KeyPool:
        """The same keys for another loop: no listener, and none set aside."""
        kept = [(key.secret, key.file.path if key.file else None) for key in self.keys if key.secret is not None]
        return KeyPool(
            [secret for secret, _ in kept],
            name=self.name,
            files=[path for _, path in kept],
            announce=self._announce,
        )

    # What became of requests.

    def set_aside(self, key: Key, error: CallError, now_s: float) -> None:
        """`key` was refused: don't use it for a while, then let one request try it.

        A key whose file has changed since it was read is replaced instead; one that isn't used any more, or is aside
        already, stays as it is.
        """
        if key not in self.keys or (now_s < key.aside_until_s and key.trial_s == math.inf):
            return
        if self._read_again(key):
            self._changed()
            return
        if error.kind == "quota_exhausted":
            wait_s = _QUOTA_ASIDE_S if error.retry_after_s is None else error.retry_after_s
        else:
            wait_s = min(_REFUSED_ASIDE_MOST_S, _REFUSED_ASIDE_S * 2.0**key.refusals)
            key.refusals = min(key.refusals + 1, 16)
        key.aside_until_s = now_s + wait_s
        key.trial_s = math.inf
        key.kind = error.kind
        key.reason = str(error)
        _log.warning("%s: a key is set aside for %.0f s: %s", self.name or "keys", wait_s, error)
        self._changed()

    def tried(self, key: Key, now_s: float) -> None:
        """A request is sent with a key that was set aside: until it is over nobody else uses it, for a while."""
        key.trial_s = now_s
        key.aside_until_s = now_s + _TRIAL_S

    def proved(self, key: Key, sent_s: float) -> None:
        """What was sent at `sent_s` was not refused for its key. What was sent before the trial proves nothing."""
        if key.aside_until_s > -math.inf and sent_s >= key.trial_s:
            key.welcome()
            self._changed()

    def refusal(self, target: str) -> CallError:
        """The error for a call when no key is usable: what the last one was refused with."""
        key = max(self.keys, key=lambda key: key.aside_until_s)
        what = "the key was" if len(self.keys) == 1 else f"all {len(self.keys)} keys were"
        if key.secret is None:
            what = "a request without a key was"
        return CallError(key.kind, f"{what} refused; {key.reason}", target=target, sent=False)

    # Files.

    def refresh(self, now_s: float) -> None:
        """Look whether a key's file has changed; at most every two seconds, and never when no key has a file."""
        if now_s < self._check_at_s:
            return
        self._check_at_s = now_s + CHECK_FILES_EVERY_S
        # Every file is looked at, so no `any` that stops at the first.
        if sum(self._read_again(key) for key in self.keys):
            self._changed()

    @property
    def watches_files(self) -> bool:
        return self._check_at_s < math.inf

    def _read_again(self, key: Key) -> bool:
        """True when the key's file now holds another key, which has taken its place."""
        if key.file is None or (value := key.file.read_again()) is None:
            return False
        secret = Secret(value)
        if secret == key.secret:
            return False
        self._introduce(secret)
        place = self.keys.index(key)
        fresh = Key(secret, key.file)
        self.keys = (*self.keys[:place], fresh, *self.keys[place + 1 :])
        _log.info("%s: the key in %s has changed and is in use", self.name or "keys", key.file.path)
        return True

    def _introduce(self, secret: Secret | None) -> None:
        if self._announce is not None and secret is not None:
            self._announce(secret.reveal())

    def _changed(self) -> None:
        for listener in self._listeners:
            listener()
