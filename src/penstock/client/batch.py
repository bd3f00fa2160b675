"""A batch put together in OpenAI's style, to be written as a file or run at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from penstock.answer import request_hash
from penstock.call import Kind
from penstock.client.request import Request
from penstock.errors import InputError

__all__ = ["Batch"]

_URLS: dict[Kind, str] = {
    "chat": "/v1/chat/completions",
    "completion": "/v1/completions",
    "embedding": "/v1/embeddings",
}
_NEEDED: dict[Kind, str] = {"chat": "messages", "completion": "prompt", "embedding": "input"}


class _Creator:
    """`create(**body)` for one kind of request."""

    def __init__(self, entries: list[tuple[Kind, dict[str, Any]]], kind: Kind) -> None:
        self._entries = entries
        self._kind = kind

    def create(self, **body: Any) -> str:
        """Add a request, an OpenAI body as keyword arguments; its id, which is `penstock.request_hash` of the body.

        Raises `InputError` when what makes a request of this kind is missing, `TypeError` for what is no JSON.
        """
        needed = _NEEDED[self._kind]
        if not body.get(needed):
            raise InputError(f'expected "{needed}" in a request to {_URLS[self._kind]}')
        digest = request_hash(body)
        self._entries.append((self._kind, body))
        return digest


class _Chat:
    def __init__(self, entries: list[tuple[Kind, dict[str, Any]]]) -> None:
        self.completions = _Creator(entries, "chat")


class Batch:
    """Requests in the order in which they were created. `client.run(batch)` answers them in that order."""

    def __init__(self) -> None:
        self._entries: list[tuple[Kind, dict[str, Any]]] = []
        self.chat = _Chat(self._entries)
        self.completions = _Creator(self._entries, "completion")
        self.embeddings = _Creator(self._entries, "embedding")

    def merge(*batches: Batch | Iterable[Batch]) -> Batch:
        """A new batch of all requests of `batches`, in their order: `Batch.merge(a, b)` or `a.merge(b)`."""
        merged = Batch()
        for batch in batches:
            for part in [batch] if isinstance(batch, Batch) else batch:
                merged._entries.extend(part._entries)
        return merged

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Request]:
        return (Request.of_body(body, kind=kind) for kind, body in self._entries)

    def lines(self) -> Iterator[dict[str, Any]]:
        """The requests in the form of OpenAI's batch input; an id that comes again is marked with its number."""
        seen: dict[str, int] = {}
        for kind, body in self._entries:
            digest = request_hash(body)
            seen[digest] = number = seen.get(digest, 0) + 1
            custom_id = digest if number == 1 else f"{digest}-{number}"
            yield {"custom_id": custom_id, "method": "POST", "url": _URLS[kind], "body": body}

    def write(self, path: str | Path) -> None:
        """Write the batch as a `.jsonl` file for `penstock run` or for a provider's batch API."""
        with Path(path).open("wb") as file:
            file.writelines(msgspec.json.encode(line) + b"\n" for line in self.lines())

    def __repr__(self) -> str:
        return f"Batch of {len(self)} requests"
