"""A model is told what a date with a time looks like, wherever one stands."""

import datetime
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

import penstock
from penstock.schema import form_of, tool_of

AT = {"type": "string", "format": "date-time"}


@dataclass
class Stop:
    at: datetime.datetime
    until: datetime.datetime | None = None
    opens: datetime.time = datetime.time(8)
    called: str = ""
    others: list["Stop"] = field(default_factory=list)


class Trip(msgspec.Struct):
    stops: dict[str, Stop]
    seen: list[datetime.datetime]
    ends: tuple[datetime.datetime, str]
    first: Stop | None = None


def schema_of(kind: Any) -> dict[str, Any]:
    found: dict[str, Any] = form_of(kind).response_format["json_schema"]["schema"]
    return found


def test_fields_say_it_optional_ones_too() -> None:
    told = schema_of(Stop)["$defs"]["Stop"]["properties"]
    assert told["at"] == AT
    assert AT in told["until"]["anyOf"]
    assert (told["opens"]["format"], told["called"]["type"], "format" in told["called"]) == ("time", "string", False)


def test_lists_tables_and_tuples_say_it() -> None:
    whole = schema_of(Trip)
    properties = whole["properties"]
    assert (properties["seen"]["items"], properties["ends"]["prefixItems"]) == (AT, [AT, {"type": "string"}])
    assert whole["$defs"]["Stop"]["properties"]["at"] == AT


class Said(msgspec.Struct, tag=True):
    at: str


class Known(msgspec.Struct, tag=True):
    at: datetime.datetime


@pytest.mark.parametrize("kind", [Said | Known, Known | Said, list[Known | Said]])
def test_of_several_the_one_that_has_it_says_it(kind: Any) -> None:
    definitions = schema_of(kind)["$defs"]
    assert [definitions[name]["properties"]["at"].get("format") for name in ("Said", "Known")] == [None, "date-time"]


def test_a_tools_parameter_says_it() -> None:
    def remind(at: datetime.datetime) -> None: ...

    assert tool_of(remind).definition["function"]["parameters"]["properties"]["at"] == AT


@pytest.mark.parametrize("kind", [Stop, datetime.datetime, list[datetime.time]])
def test_who_reads_the_schema_writes_what_is_read(kind: Any) -> None:
    with penstock.Client("sim/fast", config={}) as client:
        assert len(client.generate("when?", schema=kind).attempts) == 1
