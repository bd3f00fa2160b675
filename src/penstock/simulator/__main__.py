"""`python -m penstock.simulator`: what `penstock sim` does, without the command line's packages."""

from __future__ import annotations

import argparse
import sys

from penstock.errors import ConfigError
from penstock.simulator.serving import serve

__all__: list[str] = []


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m penstock.simulator", allow_abbrev=False)
    parser.add_argument("--port", type=int, default=4200)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--scenario", metavar="FILE")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    try:
        serve(asked.host, asked.port, scenario=asked.scenario, seed=asked.seed, ready=_say)
    except (ConfigError, OSError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    _main()
