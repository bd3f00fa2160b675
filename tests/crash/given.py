"""A simulator and the command, as the processes that users run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["Sim", "command", "lines", "questions", "simulator"]

_PYTHON = (sys.executable, "-W", "error")


class Sim:
    def __init__(self, url: str) -> None:
        self.url = url

    @property
    def base_url(self) -> str:
        return f"{self.url}/openai/v1"

    def ledger(self) -> list[dict[str, Any]]:
        """Every request that was served, in order."""
        rows: list[dict[str, Any]] = []
        while True:
            page = self._get(f"/sim/ledger?since={len(rows)}&limit=50000")["requests"]
            if not page:
                return rows
            rows += page

    def set(self, scenario: dict[str, Any]) -> None:
        request = urllib.request.Request(
            f"{self.url}/sim/scenario",
            data=json.dumps(scenario).encode(),
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as reply:
            reply.read()

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=10) as reply:
            return json.load(reply)


@contextmanager
def simulator(scenario: dict[str, Any] | None = None) -> Iterator[Sim]:
    process = subprocess.Popen([*_PYTHON, "-m", "penstock", "sim", "--port", "0"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        sim = Sim(json.loads(process.stdout.readline())["url"])
        if scenario is not None:
            sim.set(scenario)
        yield sim
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def command(sim: Sim | None, *words: str | Path) -> list[str]:
    """`penstock ...`; with a simulator it is where OpenAI's models are."""
    where = ["--base-url", sim.base_url] if sim is not None else []
    return [*_PYTHON, "-m", "penstock", *map(str, words), *where]


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.endswith(("_API_KEY", "_PROXY", "_proxy"))}
    return {**kept, "OPENAI_API_KEY": "sk-test-not-a-key", "COLUMNS": "200", **more}


def penstock(
    sim: Sim | None, *words: str | Path, cwd: Path | None = None, stdin: str | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        command(sim, *words),
        env=environment(**env),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=cwd,
        input=stdin if stdin is not None else "",
    )


def questions(path: Path, count: int, *, prefix: str = "question") -> Path:
    with path.open("w") as file:
        for n in range(count):
            body = {"messages": [{"role": "user", "content": f"{prefix} number {n}"}]}
            line = {"custom_id": f"id-{n}", "method": "POST", "url": "/v1/chat/completions", "body": body}
            file.write(json.dumps(line) + "\n")
    return path


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def text_of(line: dict[str, Any]) -> str:
    return str(line["response"]["body"]["choices"][0]["message"]["content"])
