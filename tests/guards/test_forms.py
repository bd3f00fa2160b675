"""An answer's form is held against what the model said; what goes out is masked all the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from tests.guards.given import EMAIL, asked, said, streamed

from penstock import AsyncClient, Client
from penstock.call import Call, Completion, Reply
from penstock.client.forms import answer_of
from penstock.client.options import read_options
from penstock.client.request import Row, row_of
from penstock.clock import LoopClock
from penstock.errors import InvalidAnswer
from penstock.guards import KINDS, Redaction
from penstock.guards.redacting import Redact
from penstock.handler import Handler
from penstock.policies.again import AskAgain
from penstock.stores.memory import MemoryStore
from penstock.testing import ScriptedHandler, run

MAIL = {
    "type": "object",
    "properties": {"mail": {"type": "string", "format": "email"}},
    "required": ["mail"],
    "additionalProperties": False,
}
OTHER = "info" + "@example.net"


@dataclass
class Contact:
    mail: str


def row(text: str, schema: Any = None) -> Row:
    return row_of(text, read_options("chat", {"schema": MAIL if schema is None else schema}))


def guarded(script: ScriptedHandler, **settings: Any) -> Handler:
    async def handle(call: Call) -> Reply:
        return await Redact(Redaction(KINDS, **settings))(AskAgain(LoopClock())(script))(call)

    return handle


def asked_for(of: Row, script: ScriptedHandler, *, stream: bool = False, **settings: Any) -> tuple[Completion, Any]:
    call = Call(id="req", model="m", body=of.body, expected=of.form, stream=stream)
    completion, _ = asked(guarded(script, **settings), call)
    return completion, answer_of(completion, of, model=None)


def test_a_placeholder_is_held_against_the_form_as_the_value_it_stands_for() -> None:
    script = ScriptedHandler([said('{"mail": "[EMAIL_1]"}')])
    _, answer = asked_for(row(f"mail of {EMAIL}?"), script)
    assert answer.parsed == {"mail": EMAIL}
    assert len(script.calls) == 1


def test_what_is_wrong_is_told_to_the_model_without_the_value() -> None:
    schema = {**MAIL, "properties": {"mail": {"type": "string", "maxLength": 5}}}
    script = ScriptedHandler([said('{"mail": "[EMAIL_1]"}'), said('{"mail": "x@y"}')])
    _, answer = asked_for(row(f"mail of {EMAIL}?", schema), script)
    assert answer.parsed == {"mail": "x@y"}
    told = str(script.calls[1].body)
    assert "[EMAIL_1]" in told
    assert EMAIL not in told


def test_a_valid_answer_that_is_masked_for_the_caller_is_an_answer() -> None:
    script = ScriptedHandler([said(f'{{"mail": "{OTHER}"}}')])
    completion, answer = asked_for(row("mail?"), script, answers="mask")
    assert answer.parsed == {"mail": "[EMAIL]"}
    assert OTHER not in repr(completion)
    assert len(script.calls) == 1


def test_an_instance_is_made_where_what_is_masked_still_fits() -> None:
    script = ScriptedHandler([said(f'{{"mail": "{OTHER}"}}')])
    _, answer = asked_for(row("mail?", Contact), script, answers="mask")
    assert answer.parsed == Contact("[EMAIL]")


def test_a_prompt_that_stays_masked_is_judged_by_its_values() -> None:
    script = ScriptedHandler([said('{"mail": "[EMAIL_1]"}')])
    _, answer = asked_for(row(f"mail of {EMAIL}?"), script, prompts="mask")
    assert answer.parsed == {"mail": "[EMAIL_1]"}
    assert len(script.calls) == 1


def test_an_answer_that_is_invalid_under_its_mask_is_asked_again() -> None:
    script = ScriptedHandler([said(f'{{"mail": 5, "x": "{OTHER}"}}'), said(f'{{"mail": "{OTHER}"}}')])
    _, answer = asked_for(row("mail?"), script, answers="mask")
    assert answer.parsed == {"mail": "[EMAIL]"}
    assert len(script.calls) == 2


@pytest.mark.parametrize("stream", [False, True])
def test_the_error_of_an_invalid_answer_is_masked_as_the_answer_would_have_been(stream: bool) -> None:
    text = f'{{"mail": "{OTHER}", "more": "{OTHER}"}}'
    script = ScriptedHandler([streamed([text])] if stream else [said(text)] * 3)
    with pytest.raises(InvalidAnswer) as caught:
        asked_for(row("mail?", {**MAIL, "properties": {"mail": {"const": "x"}}}), script, stream=stream, answers="mask")
    error = caught.value
    assert error.faults
    assert OTHER not in f"{error} {error.faults} {error.text} {error.last} {error.completion!r}"
    assert error.last is not None
    assert OTHER not in f"{error.last.partial} {error.last.body!r}"


def of_stream(pieces: list[str], **settings: Any) -> Any:
    return asked_for(row(f"mail of {EMAIL}?"), ScriptedHandler([streamed(pieces)]), stream=True, **settings)[1]


def test_a_stream_that_is_masked_is_judged_by_what_the_model_said() -> None:
    answer = of_stream(['{"mail": "in', "fo" + OTHER[4:6], OTHER[6:], '"}'], answers="mask")
    assert answer.parsed == {"mail": "[EMAIL]"}


def test_a_stream_whose_placeholders_stay_is_judged_by_their_values() -> None:
    assert of_stream(['{"mail": "[EMA', 'IL_1]"}'], prompts="mask").parsed == {"mail": "[EMAIL_1]"}


def test_a_stream_that_is_put_back_is_judged_as_its_reader_has_it() -> None:
    assert of_stream(['{"mail": "[EMA', 'IL_1]"}']).parsed == {"mail": EMAIL}


def test_a_stream_that_was_invalid_before_it_was_masked_is_no_answer() -> None:
    with pytest.raises(InvalidAnswer):
        of_stream([f'{{"mail": "{OTHER}", "more": 1}}'], answers="mask")


def test_a_masked_answer_that_nobody_can_read_is_no_answer() -> None:
    with pytest.raises(InvalidAnswer):
        asked_for(row("mail?"), ScriptedHandler([streamed([f"no JSON {OTHER}"])]), stream=True, answers="mask")


SCHEMA = {"type": "object", "properties": {"mail": {"enum": [OTHER]}}, "required": ["mail"]}


def test_a_clients_valid_answer_is_masked_and_an_answer() -> None:
    with Client("sim/echo", config={}, guards={"redact": {"answers": "mask"}}) as client:
        answer = client.generate("which?", schema=SCHEMA)
        assert answer.parsed == {"mail": "[EMAIL]"}
        assert len(answer.attempts) == 1
        with client.stream("which?", schema=SCHEMA) as stream:
            partials = [chunk.partial for chunk in stream]
        assert stream.answer.parsed == partials[-1] == {"mail": "[EMAIL]"}


def test_a_kept_answer_is_judged_with_each_callers_values() -> None:
    async def main() -> None:
        async with AsyncClient(
            "sim/echo", config={}, cache=MemoryStore(), guards={"redact": {"answers": "mask"}}
        ) as client:
            first, second = [await client.generate("which?", schema=SCHEMA) for _ in range(2)]
            assert first.parsed == second.parsed == {"mail": "[EMAIL]"}
            assert second.cached

    run(main)
