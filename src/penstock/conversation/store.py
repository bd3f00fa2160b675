"""Where conversations are kept under their names; and the store in memory."""

from __future__ import annotations

import threading
from typing import NamedTuple, Protocol

from penstock.errors import PenstockError

__all__ = ["Changed", "ConversationStore", "Kept", "Listed", "MemoryConversations"]


class Changed(PenstockError):
    """The conversation isn't at the revision that a writer knew: another one came first."""


class Kept(NamedTuple):
    """A stored conversation: its messages, and everything else of it in `head`, as JSON."""

    revision: int
    head: bytes
    messages: list[bytes]


class Listed(NamedTuple):
    """A stored conversation as a list shows it."""

    name: str
    messages: int
    updated_s: float
    """When it was last written, in seconds since 1970."""


class ConversationStore(Protocol):
    """Bytes of conversations under their names. Any thread may call it; each call is done, or raises, when it returns.

    Raises `PenstockError` where the store can't be used.
    """

    def revision(self, name: str) -> int:
        """Counts the writes of a conversation; 0 where there is none."""
        ...

    def read(self, name: str) -> Kept | None:
        """The conversation, None where there is none."""
        ...

    def write(self, name: str, revision: int, head: bytes, keep: int, messages: list[bytes]) -> int:
        """Keep the first `keep` of its messages, and these after them; the new revision.

        All of it or nothing. Raises `Changed` when it isn't at `revision`.
        """
        ...

    def names(self) -> list[Listed]:
        """Every conversation, the last written first."""
        ...

    def delete(self, name: str) -> bool:
        """Forget it; whether there was one."""
        ...

    def close(self) -> None:
        """Let go of what it holds."""
        ...


class MemoryConversations:
    """Conversations of one process, for as long as it holds this store."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._kept: dict[str, tuple[Kept, float]] = {}

    def revision(self, name: str) -> int:
        """Counts the writes of a conversation; 0 where there is none."""
        with self._guard:
            found = self._kept.get(name)
        return found[0].revision if found else 0

    def read(self, name: str) -> Kept | None:
        """The conversation, None where there is none."""
        with self._guard:
            found = self._kept.get(name)
        return found[0] if found else None

    def write(self, name: str, revision: int, head: bytes, keep: int, messages: list[bytes]) -> int:
        """Keep the first `keep` of its messages, and these after them. Raises `Changed`."""
        import time

        with self._guard:
            found = self._kept.pop(name, None)
            if found is not None:
                self._kept[name] = found
            if (found[0].revision if found else 0) != revision:
                raise Changed(f'the conversation "{name}" was changed meanwhile')
            before = found[0].messages[:keep] if found else []
            self._kept.pop(name, None)
            self._kept[name] = (Kept(revision + 1, head, before + messages), time.time())
        return revision + 1

    def names(self) -> list[Listed]:
        """Every conversation, the last written first."""
        with self._guard:
            return [Listed(name, len(kept.messages), at_s) for name, (kept, at_s) in reversed(list(self._kept.items()))]

    def delete(self, name: str) -> bool:
        """Forget it; whether there was one."""
        with self._guard:
            return self._kept.pop(name, None) is not None

    def close(self) -> None:
        """Nothing is held."""
