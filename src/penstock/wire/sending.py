"""What the requests of all wires have alike: their headers, an address where none is set, and how one is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from penstock import __version__
from penstock.errors import CallError

__all__ = ["NOWHERE", "UNWRITABLE", "headers_of", "no_json", "refusal"]

NOWHERE: Final = "http://base-url-not-set.invalid"

UNWRITABLE: Final = (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError)
"""What an encoder raises for a body that can't be written."""


def headers_of(given: Mapping[str, str], accept: str = "application/json") -> dict[str, str]:
    """The headers of every request, in lower case; `given` ones come before ours."""
    return {
        "content-type": "application/json",
        "accept": accept,
        "user-agent": f"penstock/{__version__}",
        **{name.lower(): value for name, value in given.items()},
    }


def no_json(error: Exception) -> CallError:
    """The error for one of `UNWRITABLE`."""
    return CallError("bad_request", f"the request is no JSON: {error}", sent=False)


def refusal(wire: str, why: str) -> CallError:
    """The wire can't say it, and leaving it out would change what was asked: nothing was sent."""
    return CallError("bad_request", f"{wire}: {why}", sent=False)
