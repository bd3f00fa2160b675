from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.simulator.given import CODEC, body_of, call, chat, request, simulator

from penstock.call import Completion
from penstock.http import WireReply
from penstock.simulator.fast import plain_question


def fast(**body: Any) -> Completion:
    quick = simulator().quick(request(chat(**body)))
    assert quick is not None
    return CODEC.decode_reply(call(**body), WireReply(200, {}, quick.body))


def through_the_codec(**body: Any) -> Completion:
    # An open key list takes the short cut away and changes nothing else.
    served = simulator('out_of_quota = ["sk-other"]')
    asked = request(chat(**body))
    assert served.quick(asked) is None
    return CODEC.decode_reply(call(**body), WireReply(200, {}, body_of(served.script(asked))))


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=900), st.none() | st.integers(1, 300))
def test_the_short_cut_says_what_the_codec_says(text: str, most: int | None) -> None:
    body = {"text": text} if most is None else {"text": text, "max_tokens": most}
    ours, theirs = fast(**body), through_the_codec(**body)
    for name in ("choices", "usage", "model", "id", "created"):
        assert getattr(ours, name) == getattr(theirs, name), name


@pytest.mark.parametrize(
    "body",
    [
        {"stream": True},
        {"n": 2},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"response_format": {"type": "json_object"}},
        {"max_tokens": "x"},
        {"messages": "x"},
        {"messages": ["x"]},
        {"messages": []},
        {"model": 3},
    ],
)
def test_whatever_is_special_is_left_to_the_codec(body: dict[str, Any]) -> None:
    assert plain_question(msgspec.json.encode(chat(**body))) is None


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"a":"\\ud800"}'])
def test_what_is_no_request_is_left_to_the_codec(raw: bytes) -> None:
    assert plain_question(raw) is None


def test_one_choice_is_plain_however_it_is_said() -> None:
    assert plain_question(msgspec.json.encode(chat(n=1, stream=False, tools=[]))) is not None


def test_a_model_that_only_waits_keeps_the_short_cut() -> None:
    served = simulator("[models.m]\nttft_s = 0.5")
    quick = served.quick(request(chat()))
    assert quick is not None
    assert quick.wait_s == 0.5
    assert [row["delivered"] for row in served.ledger.rows()] == [False]
    assert quick.on_end is not None
    quick.on_end(True)
    assert [row["delivered"] for row in served.ledger.rows()] == [True]


def test_waits_are_drawn_and_differ_between_requests() -> None:
    text = '[models.m]\nttft_s = { kind = "lognormal", median = 0.4 }\nslow = { share = 0.5 }'
    waits = []
    for _ in range(2):
        served = simulator(text, seed=1)
        found = [served.quick(request(chat(str(number)))) for number in range(20)]
        waits.append([quick.wait_s for quick in found if quick is not None])
    assert waits[0] == waits[1]
    assert len(set(waits[0])) == 20


def test_answers_are_distinct_and_name_their_requests() -> None:
    served = simulator()
    answers = [served.quick(request(chat(f"question {number}"))) for number in range(100)]
    texts = [msgspec.json.decode(quick.body)["choices"][0]["message"]["content"] for quick in answers if quick]
    assert [text.endswith(f"question {number}") for number, text in enumerate(texts)] == [True] * 100
    digests = [row["digest"][:16] for row in served.ledger.rows()]
    assert [text[4:20] for text in texts] == digests
    assert len(set(digests)) == 100
