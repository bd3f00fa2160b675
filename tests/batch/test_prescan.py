from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.batch.items import BadItem, Item, Shape, items
from penstock.batch.prescan import InPlace, canonical, digest_of, prescan
from penstock.batch.sources import open_source


def write(path: Path, *rows: Any) -> str:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return str(path)


def chat(text: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **more}


def test_a_clean_input_has_nothing_to_tell(tmp_path: Path) -> None:
    scan = prescan(open_source(write(tmp_path / "in.jsonl", chat("a"), chat("b"))), find_equals=True)
    assert (scan.rows, scan.bad, scan.repeated, len(scan.equals)) == (2, 0, {}, 0)


def test_repeated_ids_are_named_with_both_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "in.jsonl", chat("a", custom_id="x"), chat("b"), chat("c", custom_id="x"))
    scan = prescan(open_source(path), find_equals=True)
    assert list(scan.repeated) == [2]
    assert f"{path}:3: duplicate custom_id 'x', first used on line 1" in scan.repeated[2]


def test_an_id_that_a_line_number_makes_can_repeat_too(tmp_path: Path) -> None:
    path = write(tmp_path / "in.jsonl", chat("a"), chat("b", custom_id="line-1"))
    assert list(prescan(open_source(path), find_equals=False).repeated) == [1]


def test_equal_bodies_are_found_whatever_the_order_of_their_keys(tmp_path: Path) -> None:
    path = write(
        tmp_path / "in.jsonl",
        {"messages": [{"role": "user", "content": "a"}], "seed": 1},
        {"seed": 1, "messages": [{"content": "a", "role": "user"}]},
        chat("b"),
    )
    source = open_source(path)
    scan = prescan(source, find_equals=True)
    keys = [
        item.key
        for item in items(source, Shape(), scan=scan, equals=scan.equals, wanted=lambda _: True)
        if isinstance(item, Item)
    ]
    assert keys[0] == keys[1] is not None
    assert keys[2] is None


def test_another_model_or_sample_is_not_equal(tmp_path: Path) -> None:
    source = open_source(write(tmp_path / "in.jsonl", chat("a", model="openai/x"), chat("a", model="openai/y")))
    scan = prescan(source, find_equals=True)
    made = list(items(source, Shape(samples=2), scan=scan, equals=scan.equals, wanted=lambda _: True))
    assert [item.custom_id for item in made] == ["line-1#1", "line-1#2", "line-2#1", "line-2#2"]
    assert len({item.key for item in made if isinstance(item, Item)}) == 4


def test_repeated_and_bad_lines_become_bad_items_under_their_line(tmp_path: Path) -> None:
    source = open_source(write(tmp_path / "in.jsonl", chat("a", custom_id="x"), "{", chat("b", custom_id="x")))
    scan = prescan(source, find_equals=False)
    made = list(items(source, Shape(), scan=scan, equals=None, wanted=lambda _: True))
    assert [item.custom_id for item in made] == ["x", "line-2", "line-3"]
    assert isinstance(made[2], BadItem)


def test_a_bad_line_goes_by_its_own_id_when_it_is_its_alone(tmp_path: Path) -> None:
    bad = {"url": "/v1/nowhere", "body": {}}
    source = open_source(
        write(
            tmp_path / "in.jsonl",
            {"custom_id": "mine", **bad},
            {"custom_id": "shared", **bad},
            chat("a", custom_id="shared"),
            {"custom_id": "twice", **bad},
            {"custom_id": "twice", **bad},
        )
    )
    scan = prescan(source, find_equals=False)
    made = list(items(source, Shape(), scan=scan, equals=None, wanted=lambda _: True))
    assert [item.custom_id for item in made] == ["mine", "line-2", "shared", "twice", "line-5"]


def test_options_lie_over_every_body(tmp_path: Path) -> None:
    own = {"messages": [{"role": "system", "content": "old"}, {"role": "user", "content": "q"}], "temperature": 1}
    source = open_source(write(tmp_path / "in.jsonl", own, chat("q")))
    scan = prescan(source, find_equals=False)
    shape = Shape(system="new", params={"temperature": 0})
    made = [i for i in items(source, shape, scan=scan, equals=None, wanted=lambda _: True) if isinstance(i, Item)]
    for item in made:
        assert [message["content"] for message in item.body["messages"]] == ["new", "q"]
        assert item.body["temperature"] == 0
    assert made[0].digest != made[1].digest


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=100)
@given(st.dictionaries(st.text(max_size=4), values, max_size=5), st.randoms())
def test_the_canonical_form_is_blind_to_key_order_and_to_nothing_else(body: dict[str, Any], random: Any) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            keys = list(value)
            random.shuffle(keys)
            return {key: shuffled(value[key]) for key in keys}
        return [shuffled(one) for one in value] if isinstance(value, list) else value

    assert canonical(shuffled(body)) == canonical(body)
    assert json.loads(canonical(body)) == body


@pytest.mark.parametrize(
    ("known", "holds"),
    [
        ([(0, "line-1", "a"), (1, "line-2", "b")], True),
        ([(1, "line-2", "b")], True),
        ([], True),
        ([(0, "line-1", "other")], False),
        ([(0, "other", "a")], False),
        ([(0, "line-1", "a"), (7, "line-8", "a")], False),
    ],
)
def test_lines_added_behind_leave_everything_in_its_place(
    tmp_path: Path, known: list[tuple[int, str, str]], holds: bool
) -> None:
    source = open_source(write(tmp_path / "in.jsonl", chat("a"), chat("b"), chat("new")))

    def digests() -> Generator[tuple[int, str, bytes], None, None]:
        for index, name, text in known:
            yield index, name, digest_of("chat", canonical(chat(text)))

    in_place = InPlace(digests())
    prescan(source, find_equals=False, in_place=in_place)
    assert in_place.holds() is holds
