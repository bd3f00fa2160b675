"""A conversation's state, changed by one at a time: of threads, and, where it is kept in a store, of processes."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path

from penstock.conversation.document import head_of, message_bytes, state_of
from penstock.conversation.message import Message
from penstock.conversation.state import State
from penstock.conversation.store import Changed, ConversationStore, MemoryConversations
from penstock.errors import ConfigError, InputError, PenstockError

__all__ = ["Keeper", "check_name", "open_store"]

_MOST_NAME = 200
_TRIES = 200
_FORMS = '"memory", "sqlite", "sqlite:PATH" or a store of your own'


class Keeper:
    """Holds the state. With a store, every change is written before it is seen, on top of what others wrote."""

    def __init__(self, state: State, store: ConversationStore | None = None, name: str | None = None) -> None:
        self.store = store
        self.name = name
        self._guard = threading.RLock()
        self._state = state
        self._revision = 0

    @property
    def state(self) -> State:
        """As it was last seen."""
        return self._state

    @property
    def is_stored(self) -> bool:
        """The store has it."""
        return self._revision > 0

    def refresh(self) -> State:
        """As it is now, with what other processes added. Raises `PenstockError`, `InputError` for a broken store."""
        if self.store is not None and self.name is not None:
            with self._guard:
                if self.store.revision(self.name) != self._revision:
                    self._read(self.store, self.name)
        return self._state

    def keep(self, name: str, store: ConversationStore) -> None:
        """Write it under this name, and every change from now on. Raises `InputError` when the name is taken."""
        with self._guard:
            state = self.refresh()
            messages = [message_bytes(message) for message in state.messages]
            try:
                revision = store.write(name, 0, head_of(state), 0, messages)
            except Changed:
                raise InputError(f'there is a conversation "{name}" already; choose another name') from None
            self.store, self.name, self._revision = store, name, revision

    def change(self, act: Callable[[State], State]) -> State:
        """The state after `act`, which may be called again on a newer one. Raises what `act` and the store raise."""
        with self._guard:
            for number in range(_TRIES):
                before = self._state
                after = act(before)
                if self.store is None or self.name is None:
                    self._state = after
                    return after
                if after is before:
                    return after
                keep = _alike(before.messages, after.messages) if self.is_stored else 0
                added = [message_bytes(message) for message in after.messages[keep:]]
                try:
                    self._revision = self.store.write(self.name, self._revision, head_of(after), keep, added)
                except Changed:
                    time.sleep(0.001 * min(number, 20))
                    self._read(self.store, self.name)
                    continue
                self._state = after
                return after
        raise PenstockError(f'the conversation "{self.name}" is changed all the time by others; try again')

    def _read(self, store: ConversationStore, name: str) -> None:
        kept = store.read(name)
        if kept is None:  # somebody deleted it: it is written anew with the next change
            self._revision = 0
            return
        self._state, self._revision = state_of(kept, name), kept.revision


def _alike(some: tuple[Message, ...], others: tuple[Message, ...]) -> int:
    """How many messages at the beginning are the same ones."""
    same = 0
    for one, other in zip(some, others, strict=False):
        if one is not other:
            break
        same += 1
    return same


def check_name(name: object) -> str:
    """The name of a stored conversation. Raises `InputError`."""
    if isinstance(name, str) and name.strip() and len(name) <= _MOST_NAME and name.isprintable():
        return name
    raise InputError(f"a conversation's name is 1 to {_MOST_NAME} printable characters, got {name!r:.80}")


def open_store(store: object) -> ConversationStore | None:
    """The store that a setting means; None for none. Raises `ConfigError`, and `PenstockError` for an unusable file."""
    if store is None:
        return None
    if isinstance(store, str):
        kind, colon, place = store.partition(":")
        if store == "memory":
            return _memory
        if kind == "sqlite" and (not colon or place.strip("/")):
            from penstock.conversation.sqlite import SqliteConversations

            path = Path(place[2:] if place.startswith("///") else place).expanduser() if place else None
            opened = SqliteConversations(path)
            # One connection a file, however many conversations there are.
            return _open.setdefault(str(opened.path.absolute()), opened)
        raise ConfigError(f'store: expected {_FORMS}, got "{store}"')
    lacking = [name for name in ("revision", "read", "write") if not callable(getattr(store, name, None))]
    if lacking:
        raise ConfigError(f"store: expected {_FORMS}, got {store!r:.80}")
    return store  # type: ignore[return-value]


_memory = MemoryConversations()
_open: weakref.WeakValueDictionary[str, ConversationStore] = weakref.WeakValueDictionary()
