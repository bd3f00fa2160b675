from __future__ import annotations

import datetime
import decimal
import uuid
from typing import Any

import pydantic
import pytest

from penstock.simulator.example import example_of


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, "text"),
        ({"type": "string", "maxLength": 2}, "te"),
        ({"type": "string", "minLength": 6}, "text.."),
        ({"type": "integer"}, 1),
        ({"type": "integer", "minimum": 5}, 5),
        ({"type": "number", "exclusiveMinimum": 5}, 6),
        ({"type": "boolean"}, True),
        ({"type": ["null", "string"]}, None),
        ({"enum": ["b", "a"]}, "b"),
        ({"const": 7}, 7),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [1, 1]),
        ({"properties": {"a": {"type": "string"}}}, {"a": "text"}),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, 1),
        ({"allOf": [{"type": "object"}, {"properties": {"a": {"const": 1}}}]}, {"a": 1}),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"type": "boolean"}}}, True),
        ({}, "text"),
    ],
)
def test_a_value_fits_its_schema(schema: dict[str, Any], value: Any) -> None:
    assert example_of(schema, "text") == value


def test_a_schema_that_contains_itself_ends() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#"}}}
    assert isinstance(example_of(node, "text"), dict)


class Node(pydantic.BaseModel):
    day: datetime.date
    at: datetime.datetime
    price: decimal.Decimal
    id: uuid.UUID
    pair: tuple[int, str]
    children: list[Node] = []


def test_what_it_makes_of_a_model_is_one() -> None:
    made = example_of(Node.model_json_schema(), "text")
    assert Node.model_validate(made).children[0].pair == (1, "text")
