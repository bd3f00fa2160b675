"""Stores with something in them, and a Redis server of a test's own."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock.stores.sqlite import SqliteStore

__all__ = ["filled", "has_redis", "is_sound", "redis_server"]


def filled(path: Path, count: int = 3000) -> None:
    """A store of so many values."""

    async def main() -> None:
        store = SqliteStore(path)
        for number in range(count):
            store.put(b"k%d" % number, b"%d" % number * 200)
        await store.aclose()

    asyncio.run(main())


def is_sound(path: Path) -> bool:
    """SQLite finds nothing wrong with the file."""
    with sqlite3.connect(path) as connection:
        return bool(connection.execute("PRAGMA integrity_check").fetchone() == ("ok",))


def has_redis() -> bool:
    """A server is installed."""
    return shutil.which("redis-server") is not None or shutil.which("valkey-server") is not None


@contextmanager
def redis_server() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The URL of a running server, on a socket in a folder of its own, and its process."""
    command = shutil.which("redis-server") or shutil.which("valkey-server")
    assert command is not None
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "redis.sock"
        options = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no", "--dir", folder]
        process = subprocess.Popen([command, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if "ready to accept" in line.lower():
                    break
            yield f"unix://{socket}", process
        finally:
            process.kill()
            process.communicate()
