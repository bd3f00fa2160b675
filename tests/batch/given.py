from __future__ import annotations

import asyncio
from typing import Any

from penstock.batch.items import Item
from penstock.batch.journal import Journal
from penstock.batch.record import Meta, Record, encode
from penstock.batch.schema import ANSWERED


def meta(**changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "target": "sim/fast",
        "attempts": 1,
        "latency_s": 0.5,
        "cost_usd": None,
        "cached": False,
        "status": "success",
        "usage": None,
        "kind": "chat",
        "at_s": 1.0,
    }
    return encode(Meta(**{**fields, **changes}))


def record(idx: int, custom_id: str = "", *, state: int = ANSWERED, digest: bytes = b"d", body: int = 0) -> Record:
    return Record(idx, custom_id or f"id-{idx}", digest, state, body or idx + 1, None, meta())


def item(idx: int, *, key: bytes | None = None, model: str | None = None) -> Item:
    body = {"messages": [{"role": "user", "content": f"question {idx}"}]}
    return Item(idx, f"id-{idx}", b"d", "chat", model, body, key)


def write(journal: Journal, *rows: Record, raw: bytes = b'{"answer":1}') -> None:
    """Commit these rows through the writer, each with a body."""

    async def main() -> None:
        writer = journal.writer(in_flight=lambda: 0)
        for row in rows:
            writer.put(row, raw)
        await writer.close()

    asyncio.run(main())
