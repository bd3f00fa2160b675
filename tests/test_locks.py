"""The locks hold what pyproject.toml asks for, and nothing but names, versions and hashes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

PIN = re.compile(r"([a-z0-9-]+)==([^ ;\\]+)( ; [^\\]+)?( \\)?")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")

CORE = PROJECT["project"]["dependencies"]
EXTRAS = PROJECT["project"]["optional-dependencies"]


def group(name: str) -> list[str]:
    """A dependency group with the groups that it includes."""
    parts = PROJECT["dependency-groups"][name]
    return [one for part in parts for one in (group(part["include-group"]) if isinstance(part, dict) else [part])]


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^A-Za-z0-9._-]", one)[0].lower().replace("_", "-") for one in requirements}


WANTED = {
    "run.txt": names([*CORE, *group("build")]),
    "dev.txt": names([*CORE, *group("dev"), *(one for extra in EXTRAS.values() for one in extra)]),
    "bench.txt": names([*CORE, *EXTRAS["aiohttp"], *group("bench")]),
    "bench-litellm.txt": names(group("bench-litellm")),
}


def pinned(lock: Path) -> dict[str, str]:
    found = (PIN.fullmatch(line) for line in lock.read_text(encoding="utf-8").splitlines())
    return {match[1]: match[2] for match in found if match}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_a_lock_has_pins_and_hashes_and_no_address(lock: Path) -> None:
    lines = lock.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not PIN.fullmatch(line) and not HASH.fullmatch(line)] == []
    assert any(map(HASH.fullmatch, lines))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_a_lock_has_everything_that_is_asked_for(lock: Path) -> None:
    assert WANTED[lock.name] - set(pinned(lock)) == set()


def test_what_runs_is_what_was_tested() -> None:
    run, dev = pinned(ROOT / "requirements" / "run.txt"), pinned(ROOT / "requirements" / "dev.txt")
    assert {name: version for name, version in run.items() if dev.get(name) != version} == {}
