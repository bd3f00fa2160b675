"""The simulator's own paths: `/sim/ledger`, `/sim/scenario`, `/sim/reset`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl

import msgspec

from penstock.errors import ConfigError
from penstock.simulator.http1 import Request
from penstock.simulator.ledger import Ledger
from penstock.simulator.scenario import Scenario, parse_scenario
from penstock.simulator.script import Piece, Script

__all__ = ["Controlled", "control", "problem"]

_JSON: Final = {"content-type": "application/json"}
_ROWS_A_PIECE: Final = 500
_encode: Final = msgspec.json.Encoder().encode


class Controlled(Protocol):
    """What these paths act on."""

    ledger: Ledger
    scenario: Scenario

    def play(self, scenario: Scenario) -> None: ...

    def reset(self) -> None: ...


def problem(status: int, message: str) -> Script:
    """An error of the simulator itself, not of a simulated provider."""
    return _json({"error": {"message": message, "type": "simulator_error", "param": None, "code": None}}, status)


def control(simulator: Controlled, request: Request) -> Script | None:
    """The answer at one of these paths; None when it is none of them."""
    methods = _PATHS.get(request.head.path.rstrip("/"))
    if methods is None:
        return None
    act = methods.get(request.head.method)
    if act is None:
        return problem(405, f"{request.head.path} takes {' and '.join(methods)}")
    try:
        return act(simulator, request)
    except (ConfigError, ValueError) as error:
        return problem(400, str(error))


def _json(value: Any, status: int = 200) -> Script:
    body = _encode(value)
    return Script(status=status, headers=_JSON, length=len(body), pieces=((0.0, body),))


def _show_ledger(simulator: Controlled, request: Request) -> Script:
    ledger = simulator.ledger
    query = dict(parse_qsl(request.head.query))
    if query.get("summary", "0") not in ("0", "false", ""):
        return _json({"served": ledger.served, "dropped": ledger.dropped, **ledger.totals()})
    since = int(query.get("since", "0"))
    limit = int(query["limit"]) if "limit" in query else None
    if since < 0 or (limit is not None and limit < 0):
        raise ValueError("since and limit are counts from 0")
    return Script(headers=_JSON, pieces=_ledger_pieces(ledger, ledger.rows(since, limit)))


def _ledger_pieces(ledger: Ledger, rows: Iterator[dict[str, Any]]) -> Iterable[Piece]:
    """The rows as one JSON object, written as they are read: two million never stand in memory at once."""
    yield 0.0, b'{"served":%d,"dropped":%d,"requests":[' % (ledger.served, ledger.dropped)
    before = b""
    while some := list(islice(rows, _ROWS_A_PIECE)):
        yield 0.0, before + _encode(some)[1:-1]
        before = b","
    yield 0.0, b"]}\n"


def _change_scenario(simulator: Controlled, request: Request) -> Script:
    try:
        text = request.body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"the scenario is no UTF-8: {error}") from error
    simulator.play(parse_scenario(text, "the posted scenario"))
    return _show_scenario(simulator, request)


def _show_scenario(simulator: Controlled, _request: Request) -> Script:
    scenario = simulator.scenario
    keys = None if scenario.keys is None else len(scenario.keys)
    return _json({"ok": True, "models": list(scenario.models), "keys": keys})


def _reset(simulator: Controlled, _request: Request) -> Script:
    simulator.reset()
    return _json({"ok": True})


_PATHS: Final[dict[str, dict[str, Callable[[Controlled, Request], Script]]]] = {
    "/sim/ledger": {"GET": _show_ledger},
    "/sim/scenario": {"GET": _show_scenario, "POST": _change_scenario},
    "/sim/reset": {"POST": _reset},
}
