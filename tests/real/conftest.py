"""A server that nobody here wrote: llama.cpp's, with a model that the fixture writes."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

KEY = "sk-test-not-a-key"
START_S = 30.0


@pytest.fixture(scope="session")
def llama_key() -> str:
    return KEY


@pytest.fixture(scope="session")
def llama_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL (with /v1) of a llama.cpp server on loopback that asks for `llama_key`."""
    pytest.importorskip("xllamacpp")
    from tests.real.tiny_model import write_tiny_model

    folder = tmp_path_factory.mktemp("llama")
    write_tiny_model(folder / "tiny.gguf")
    script = Path(__file__).with_name("llama_server.py")
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, str(script), str(folder / "tiny.gguf"), KEY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    try:
        yield _address(server, folder / "server.log") + "/v1"
    finally:
        # It has no work to finish and is not ours to exam at exit; what it holds goes with the process.
        server.kill()
        server.communicate()


def _address(server: subprocess.Popen[bytes], log: Path) -> str:
    assert server.stdout is not None
    ready, _, _ = select.select([server.stdout], [], [], START_S)
    line = os.read(server.stdout.fileno(), 1000).decode().strip() if ready else ""
    if not line.startswith("http://"):
        pytest.fail(f"llama.cpp's server did not start:\n{log.read_text(errors='replace')[-2000:]}")
    return line
