"""Types and schemas: what is sent for them, what is read, and what is refused before anything is sent."""

from __future__ import annotations

import datetime
import enum
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec
import pydantic
import pytest

from penstock.call import Choice, Completion
from penstock.errors import ConfigError, InvalidAnswer
from penstock.schema import Misfit, form_of


@dataclass
class Line:
    what: str
    price: float = 0.0


@dataclass
class Invoice:
    """What is to be paid."""

    number: str
    due: datetime.date
    lines: list[Line] = field(default_factory=list)
    note: str | None = None


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Paint(msgspec.Struct):
    colour: Colour
    litres: Annotated[float, msgspec.Meta(gt=0)]
    name: Annotated[str, msgspec.Meta(max_length=5)] = ""


class Person(pydantic.BaseModel):
    name: str
    age: int = pydantic.Field(ge=0, description="in years")
    friends: list[Person] = []

    @pydantic.field_validator("name")
    @classmethod
    def _capital(cls, name: str) -> str:
        if not name[:1].isupper():
            raise ValueError("a name begins with a capital letter")
        return name


class Place(TypedDict):
    city: str
    country: NotRequired[str]


INVOICE = '{"number": "7", "due": "2026-01-31", "lines": [{"what": "tea", "price": 2}], "note": null}'


def completion(text: str, **fields: Any) -> Completion:
    message = {"role": "assistant", "content": text, **fields.pop("message", {})}
    return Completion(choices=(Choice(message, fields.pop("finish", "stop")),), target="sim/fast", **fields)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Invoice, INVOICE, Invoice("7", datetime.date(2026, 1, 31), [Line("tea", 2.0)])),
        (Paint, '{"colour": "red", "litres": 2}', Paint(Colour.RED, 2.0)),
        (Person, '{"name": "Ann", "age": 3}', Person(name="Ann", age=3)),
        (Place, '{"city": "Rome"}', {"city": "Rome"}),
        (list[Line], '{"answer": [{"what": "tea"}]}', [Line("tea")]),
        (list[Line], '[{"what": "tea"}]', [Line("tea")]),
        (list[Person], '{"answer": [{"name": "Ann", "age": 3}]}', [Person(name="Ann", age=3)]),
        (Literal["yes", "no"], '{"answer": "yes"}', "yes"),
        (pydantic.TypeAdapter(dict[str, int]), '{"a": 1}', {"a": 1}),
        ({"type": "object", "required": ["a"]}, '{"a": 1}', {"a": 1}),
    ],
)
def test_a_text_becomes_an_instance(kind: Any, text: str, value: Any) -> None:
    assert form_of(kind).read(completion(text)) == value


@pytest.mark.parametrize(
    ("kind", "text", "says"),
    [
        (Invoice, INVOICE.replace('"7"', "7"), r"Expected `str`, got `int` - at `\$.number`"),
        (Paint, '{"colour": "green", "litres": 2}', "green"),
        (Paint, '{"colour": "red", "litres": 0}', "> 0"),
        (Person, '{"name": "ann", "age": -1}', "capital letter.*greater than or equal to 0"),
        ({"type": "object", "required": ["a", "b"]}, "{}", "'a' is a required.*'b' is a required"),
        ({"properties": {"d": {"type": "string", "format": "date"}}}, '{"d": "soon"}', "'soon' is not a 'date'"),
    ],
)
def test_what_doesnt_fit_says_what_is_wrong(kind: Any, text: str, says: str) -> None:
    with pytest.raises(InvalidAnswer, match=f"(?s){says}") as caught:
        form_of(kind).read(completion(text))
    assert caught.value.text == text
    assert caught.value.faults == form_of(kind).faults(completion(text))


def sent(kind: Any) -> tuple[dict[str, Any], bool]:
    told = form_of(kind).response_format["json_schema"]
    return told["schema"], told["strict"]


def objects_in(schema: Any) -> list[dict[str, Any]]:
    if isinstance(schema, list):
        return [found for one in schema for found in objects_in(one)]
    if not isinstance(schema, dict):
        return []
    inner = [found for one in schema.values() for found in objects_in(one)]
    return [schema, *inner] if schema.get("type") == "object" and "properties" in schema else inner


def keys_in(schema: Any) -> list[str]:
    if isinstance(schema, list):
        return [key for one in schema for key in keys_in(one)]
    return [*schema, *(key for one in schema.values() for key in keys_in(one))] if isinstance(schema, dict) else []


@pytest.mark.parametrize("kind", [Invoice, Paint, Person, list[Line], Literal["yes", "no"]])
def test_types_are_sent_as_strict_mode_wants_them(kind: Any) -> None:
    schema, strict = sent(kind)
    assert strict
    assert schema["type"] == "object"
    for one in objects_in(schema):
        assert one["additionalProperties"] is False
        assert one["required"] == list(one["properties"])
    assert not {"default", "maxLength", "oneOf"} & set(keys_in(schema))


def test_what_strict_mode_refuses_is_told_in_words() -> None:
    schema, _ = sent(Paint)
    assert schema["properties"]["name"]["description"] == "(maxLength: 5)"
    assert form_of(Paint).faults(completion('{"colour": "red", "litres": 1, "name": "vermilion"}'))


@pytest.mark.parametrize(
    "kind",
    [
        Place,
        dict[str, int],
        {"type": "object", "properties": {"a": {"type": "string"}, "b": {}}, "required": ["a", "b"]},
        {"type": "object", "properties": {"a": {"type": "string"}}},
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": True},
        {"type": "object", "properties": {"a": {"not": {"type": "null"}}}, "required": ["a"]},
        {"type": "array", "items": {"type": "string"}},
    ],
)
def test_what_strict_mode_cant_say_is_sent_as_it_is(kind: Any) -> None:
    schema, strict = sent(kind)
    assert not strict
    assert not isinstance(kind, dict) or schema == kind


def test_tool_calls_are_no_answer_to_judge() -> None:
    calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    assert form_of(Line).faults(completion("", message={"tool_calls": calls})) == ()


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ({"text": '{"wh', "finish": "length"}, "cut off at its token limit"),
        ({"text": "", "finish": "content_filter"}, "filter cut"),
        ({"text": "", "message": {"refusal": "I won't"}}, "refused: I won't"),
    ],
)
def test_how_an_answer_ended_is_said(made: dict[str, Any], says: str) -> None:
    assert says in form_of(Line).faults(completion(made.pop("text"), **made))[0]


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"type": "objct"}, "no JSON Schema: 'objct'"),
        ({"$ref": "https://example.com/s.json"}, "outside the schema"),
        ({"$ref": "#/$defs/Line"}, "leads nowhere"),
        ("Invoice", "expected a type"),
        (object(), "has no JSON form"),
        (Path("nowhere.json"), "nowhere.json: cannot be read"),
    ],
)
def test_a_schema_that_is_none_is_refused(schema: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        form_of(schema)


def test_a_file_may_hold_a_schema_or_a_response_format(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    path = tmp_path / "s.json"
    for held in (schema, {"type": "json_schema", "json_schema": {"name": "a b", "schema": schema}}):
        path.write_bytes(msgspec.json.encode(held))
        form = form_of(path)
        assert form.value('{"a": 1}') == {"a": 1}
        with pytest.raises(Misfit):
            form.value('{"a": "1"}')


def test_a_check_that_fails_itself_loses_no_answer() -> None:
    class Odd(pydantic.BaseModel):
        a: int

        @pydantic.field_validator("a")
        @classmethod
        def _fails(cls, a: int) -> int:
            raise KeyError("oops")

    with pytest.raises(InvalidAnswer, match="the check itself failed: KeyError") as caught:
        form_of(Odd).read(completion('{"a": 1}'))
    assert caught.value.text == '{"a": 1}'
