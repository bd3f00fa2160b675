"""An answer that was begun is continued word for word, so that a broken stream can be made whole again."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.simulator.given import body_of, chat, request, simulator

from penstock.call import Call, Completion
from penstock.errors import CallError
from penstock.simulator.behaviour import decide
from penstock.simulator.content import digest_of
from penstock.simulator.scenario import PLAIN, Behaviour


def answer(body: dict[str, Any], behaviour: Behaviour = PLAIN, *, kind: Any = "chat") -> Completion:
    asked = Call(id="c", model="m", body=body, kind=kind)
    return decide(asked, behaviour, digest=digest_of(body), rng=random.Random(1), at_s=0.0, tries=0).completion


def begun(body: dict[str, Any], text: str, **more: Any) -> dict[str, Any]:
    return {**body, "messages": [*body["messages"], {"role": "assistant", "content": text}], **more}


@given(asked=st.text(max_size=80), at=st.integers(21, 400))
def test_the_rest_of_an_answer_is_the_rest_of_the_whole_one(asked: str, at: int) -> None:
    behaviour = Behaviour(output_tokens=60)
    whole = answer(chat(asked), behaviour).text
    rest = answer(begun(chat(asked), whole[:at]), behaviour).text
    assert whole[:at] + rest == whole


def test_fewer_tokens_change_neither_the_mark_nor_the_end() -> None:
    behaviour = Behaviour(output_tokens=60)
    whole = answer(chat(max_tokens=40), behaviour)
    for at in range(21, 160):
        rest = answer(begun(chat(max_tokens=40 - at // 4), whole.text[:at]), behaviour)
        assert (whole.text[:at] + rest.text, rest.finish) == (whole.text, "length")


def test_an_answer_that_is_shorter_this_time_has_nothing_left_to_say() -> None:
    begins = answer(chat(), Behaviour(output_tokens=60)).text
    assert answer(begun(chat(), begins), Behaviour(output_tokens=20)).text == ""


def test_what_others_began_is_answered_from_the_beginning() -> None:
    body = begun(chat(), "The moon is")
    assert answer(body).text.startswith(f"sim:{digest_of(body)[:8].hex()} ")


def test_a_completion_goes_on_behind_its_prompt() -> None:
    whole = answer({"prompt": "Once upon a time"}, kind="completion").text
    rest = answer({"prompt": "Once upon a time" + whole[:30]}, kind="completion").text
    assert whole[:30] + rest == whole


@pytest.mark.parametrize("prefill", ["echo", "restart"])
def test_some_say_the_beginning_again(prefill: Any) -> None:
    behaviour = Behaviour(output_tokens=30, prefill=prefill)
    whole = answer(chat(), behaviour)
    again = answer(begun(chat(), whole.text[:50]), behaviour)
    assert again.text == whole.text
    assert again.usage is not None
    assert again.usage.output_tokens == (30 if prefill == "restart" else 18)


def test_some_refuse() -> None:
    with pytest.raises(CallError, match="prefill") as caught:
        answer(begun(chat(), "sim:"), Behaviour(prefill="refuse"))
    assert (caught.value.kind, caught.value.status) == ("bad_request", 400)


def test_wire_flags_make_no_difference() -> None:
    whole = answer(chat()).text
    flags = {"continue_final_message": True, "add_generation_prompt": False}
    assert answer(begun(chat(), whole[:30], **flags)).text == answer(begun(chat(), whole[:30])).text == whole[30:]


def test_a_continuation_is_another_try_of_its_question() -> None:
    sim = simulator('[models.m]\noutput_tokens = 30\nfaults = [{fault = "cut_stream", first_tries = 1}]')
    first = body_of(sim.script(request(chat(stream=True))))
    whole = answer(chat(), Behaviour(output_tokens=30)).text
    rest = body_of(sim.script(request(begun(chat(stream=True), whole[:40]))))
    assert (b"[DONE]" in first, b"[DONE]" in rest) == (False, True)


def test_a_plain_request_to_continue_is_not_answered_in_haste() -> None:
    whole = answer(chat()).text
    assert simulator().quick(request(begun(chat(), whole[:30]))) is None
