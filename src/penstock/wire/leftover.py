"""What an OpenAI request asks and a wire has no word for: left out, let go, refused, or sent as it is."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any, Final

from penstock.wire.dropping import dropped
from penstock.wire.sending import refusal

__all__ = ["HARMLESS", "LEFT_OUT", "drop", "refuse_unless", "rest_of"]

_Put = Callable[[dict[str, Any], Any], None]

LEFT_OUT: Final[Mapping[str, str]] = {
    "user": "requests have no end user here",
    "safety_identifier": "requests have no end user here",
    "store": "nothing is stored",
}
"""What an answer doesn't need, with the reason that is told; a wire adds its own."""

HARMLESS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "n": lambda value: value == 1,
    "logit_bias": lambda value: not value or not any(value.values()),
    "modalities": lambda value: value == ["text"],
    "functions": lambda value: not value,
    **dict.fromkeys(("function_call", "audio", "prediction", "web_search_options"), lambda _: False),
}
"""What can't be said, and the values that say nothing: any other one is refused. A wire adds its own."""


def rest_of(
    asked: Mapping[str, Any],
    wire: str,
    *,
    handled: Container[str],
    left_out: Mapping[str, str],
    harmless: Mapping[str, Callable[[Any], bool]],
) -> Iterator[tuple[str, Any]]:
    """The parameters that are to be sent as they are: those that no table knows.

    Tells of what is left out. Raises `CallError` bad_request for what is neither sayable nor harmless.
    """
    for name, value in asked.items():
        if name in handled or value is None:
            continue
        if name in left_out:
            dropped(wire, name, left_out[name])
        elif name not in harmless:
            yield name, value
        elif not _passes(harmless[name], value):
            raise refusal(wire, f"{name} can't be asked for")


def _passes(harmless: Callable[[Any], bool], value: Any) -> bool:
    try:
        return harmless(value)
    except (AttributeError, TypeError):
        return False


def drop(wire: str, name: str, why: str) -> _Put:
    """Leaves the parameter `name` out, and says so."""

    def put(_body: dict[str, Any], _value: Any) -> None:
        dropped(wire, name, why)

    return put


def refuse_unless(wire: str, name: str, harmless: Callable[[Any], bool], why: str) -> _Put:
    """Lets the parameter `name` go where its value says nothing, and refuses it else."""

    def put(_body: dict[str, Any], value: Any) -> None:
        if not harmless(value):
            raise refusal(wire, f"{name}: {why}")

    return put
