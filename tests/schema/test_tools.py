"""Functions as tools: schemas from signatures and docstrings, arguments of the parameters' types."""

from __future__ import annotations

import datetime
import functools
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pydantic
import pytest

from penstock.errors import ConfigError
from penstock.schema import tool_of, written


@dataclass
class Place:
    city: str
    country: str = "IT"


def google(city: str, days: int = 1, *, unit: Literal["C", "F"] = "C") -> str:
    """Tell the weather.

    Looks at the sky.

    Args:
        city (str): Where it is asked
            for.
        days: How many.

    Returns:
        city: not a parameter.
    """
    return city


def numpy(city: str, days: int = 1) -> str:
    """Tell the weather.

    Looks at the sky.

    Parameters
    ----------
    city : str
        Where it is asked
        for.
    days : int, optional
        How many.

    Returns
    -------
    str
        The weather.
    """
    return city


def rest(city: str, days: int = 1) -> str:
    """Tell the weather.

    Looks at the sky.

    :param city: Where it is asked
        for.
    :param int days: How many.
    :returns: The weather.
    """
    return city


def plain(city: str, days: int = 1) -> str:
    """Tell the weather.

    Looks at the sky.

    city: Where it is asked for.
    days - How many.
    """
    return city


def noted(city: Annotated[str, "Where it is asked for."], days: Annotated[int, "How many."] = 1) -> str:
    """Tell the weather.

    Looks at the sky.
    """
    return city


@pytest.mark.parametrize("function", [google, numpy, rest, plain, noted])
def test_every_style_of_docstring_describes_the_parameters(function: Any) -> None:
    told = tool_of(function).definition["function"]
    assert told["name"] == function.__name__
    assert told["description"] == "Tell the weather.\n\nLooks at the sky."
    city, days = told["parameters"]["properties"]["city"], told["parameters"]["properties"]["days"]
    assert city == {"type": "string", "description": "Where it is asked for."}
    assert days == {"type": "integer", "description": "How many.", "default": 1}
    assert told["parameters"]["required"] == ["city"]


def test_a_choice_is_one_in_the_schema() -> None:
    assert tool_of(google).definition["function"]["parameters"]["properties"]["unit"]["enum"] == ["C", "F"]


class Size(pydantic.BaseModel):
    cm: int


def everything(when: datetime.date, where: Place, sizes: list[Size], rest: dict[str, float], anything=None) -> None:  # type: ignore[no-untyped-def]
    """Take all of them."""


def test_arguments_become_what_the_parameters_say() -> None:
    tool = tool_of(everything)
    bound = tool.bound(
        {"when": "2026-01-31", "where": {"city": "Rome"}, "sizes": [{"cm": 3}], "rest": {"a": 1}, "anything": [1]}
    )
    assert bound == {
        "when": datetime.date(2026, 1, 31),
        "where": Place("Rome"),
        "sizes": [Size(cm=3)],
        "rest": {"a": 1.0},
        "anything": [1],
    }


def test_all_that_is_wrong_with_arguments_is_said_at_once() -> None:
    with pytest.raises(ValueError, match="more: there is no such parameter; city: missing; days: Expected `int`"):
        tool_of(google).bound({"more": 1, "days": "many"})


class Shop:
    def price(self, what: str) -> int:
        """The price of it."""
        return len(what)


def test_methods_and_partials_are_tools_as_well() -> None:
    tool = tool_of(Shop().price)
    assert (tool.name, list(tool.readers)) == ("price", ["what"])
    assert "days" in tool_of(functools.partial(google, days=3)).readers


def test_a_default_that_json_cant_say_isnt_told() -> None:
    def within(at_most: float = float("inf"), depth: int = 3) -> None: ...

    properties = tool_of(within).definition["function"]["parameters"]["properties"]
    assert properties == {"at_most": {"type": "number"}, "depth": {"type": "integer", "default": 3}}


def starred(*args: int) -> None: ...
def open_ended(**more: int) -> None: ...
def unclear(a: Shop) -> None: ...
def bit_by_bit() -> Any:
    yield 1


async def bit_by_bit_too() -> Any:
    yield 1


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda x: x, "needs a name"),
        (starred, r"starred: \*args: a model can only"),
        (open_ended, r"open_ended: \*\*more: a model can only"),
        (unclear, "unclear: a: Shop has no JSON form"),
        (bit_by_bit, "bit_by_bit: a generator; give a function that returns the list"),
        (bit_by_bit_too, "bit_by_bit_too: a generator"),
    ],
)
def test_what_a_model_couldnt_call_is_refused(function: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        tool_of(function)


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ("sunny", "sunny"),
        (None, "null"),
        ({"a": [1]}, '{"a":[1]}'),
        (Place("Rome"), '{"city":"Rome","country":"IT"}'),
        (Size(cm=3), '{"cm":3}'),
        ([Size(cm=3)], '[{"cm":3}]'),
        (datetime.date(2026, 1, 31), '"2026-01-31"'),
    ],
)
def test_a_result_is_written_as_a_model_reads_it(result: Any, text: str) -> None:
    assert written(result) == text
