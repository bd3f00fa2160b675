"""How long `import` takes, in a fresh interpreter with warm files."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.machine import measured

__all__ = ["STATEMENTS", "import_s"]

STATEMENTS = {
    "python": "pass",
    "import penstock": "import penstock",
    "penstock.Client": "import penstock; penstock.Client",
    "import openai": "import openai",
}


def import_s(statement: str, *, core: set[int], log: Path) -> float:
    """Wall seconds of a Python that runs `statement` and ends."""
    return measured([sys.executable, "-c", statement], core=core, log=log).wall_s
