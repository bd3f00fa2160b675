"""Wherever a stream breaks: the caller's text is the whole one, with no character lost, doubled or made up."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import assume, given
from hypothesis import strategies as st
from tests.race.ladder import BODY, STOP, Ladder, cut, heard, text_of

from penstock.call import Call, Event, Rung, TextDelta
from penstock.errors import CallError
from penstock.handler import OpenStream
from penstock.race.seam import Continuation, Repetition, Unfit, telling
from penstock.testing import Chunks

# Repetitive enough to meet every coincidence, and with white space and characters beyond 16 bits.
LETTERS = st.text(alphabet=st.sampled_from(list("ab \n\u00a0é🙂")), max_size=120)
PROSE = st.lists(
    st.sampled_from(["The", " valley", " hears", "\n\n", "- one", " two,", "  ", "🙂", " naïve", "0, "]), max_size=40
).map("".join)
TEXTS = st.one_of(LETTERS, PROSE, st.text(max_size=60)).filter(
    lambda text: bool(text) and not any(0xD800 <= ord(char) < 0xE000 for char in text)
)


def pieces(draw: st.DataObject, text: str) -> list[Event]:
    """The text in deltas, cut anywhere."""
    cuts = sorted(draw.draw(st.sets(st.integers(1, max(1, len(text) - 1)), max_size=8)))
    ends = [0, *(at for at in cuts if at < len(text)), len(text)]
    return [TextDelta(text[start:end]) for start, end in pairwise(ends) if start < end]


class Deterministic(Ladder):
    """A provider whose answer is always the same, and which breaks off `breaks` times, each time somewhere."""

    def __init__(self, draw: st.DataObject, text: str, *, breaks: int, habit: str, prefills: bool) -> None:
        super().__init__()
        self.draw = draw
        self.whole = text
        self.breaks = breaks
        self.habit = habit
        self.prefills = prefills

    def next(self, begun: str) -> Chunks:
        """The rest of the answer as the provider's habit has it, whole or cut."""
        rest = self.whole[len(begun) :]
        if begun and self.habit == "restarts":
            rest = self.whole
        elif begun and self.habit == "trims":
            rest = rest.lstrip()
        if self.breaks == 0:
            return Chunks([*pieces(self.draw, rest), *STOP])
        self.breaks -= 1
        return cut(*pieces(self.draw, rest[: self.draw.draw(st.integers(0, len(rest)))]))

    async def again(self, call: Call, rung: Rung, error: CallError) -> OpenStream:
        said = call.body["messages"][-1]["content"] if call.prefill else ""
        self.scripts[rung] = iter([self.next(said)] if self.prefills or rung == "anew" else [])
        return await super().again(call, rung, error)


@given(text=TEXTS, breaks=st.integers(1, 5), prefills=st.booleans(), draw=st.data())
def test_a_provider_that_repeats_itself_is_heard_once(text: str, breaks: int, prefills: bool, draw: st.DataObject):
    ladder = Deterministic(draw, text, breaks=breaks, habit="continues", prefills=prefills)
    assume(not any(is_doubled(text, at) for at in range(len(text))))
    events, error = heard(ladder, ladder.next(""), body=BODY)
    assert (text_of(events), error) == (text, None)


@given(text=TEXTS, breaks=st.integers(1, 5), draw=st.data())
def test_a_provider_that_always_begins_again_is_heard_once(text: str, breaks: int, draw: st.DataObject) -> None:
    ladder = Deterministic(draw, text, breaks=breaks, habit="restarts", prefills=True)
    events, error = heard(ladder, ladder.next(""), body=BODY)
    assert (text_of(events), error) == (text, None)


@given(text=TEXTS, draw=st.data())
def test_a_provider_that_trims_white_space_loses_nothing_but_that(text: str, draw: st.DataObject) -> None:
    ladder = Deterministic(draw, text, breaks=1, habit="trims", prefills=True)
    assume(not any(is_doubled(text, at) for at in range(len(text))))
    events, error = heard(ladder, ladder.next(""), body=BODY)
    assert error is None
    assert "".join(text_of(events).split()) == "".join(text.split())


@given(first=TEXTS, second=TEXTS, at=st.integers(0, 120), draw=st.data())
def test_another_answer_is_never_joined_to_the_first(first: str, second: str, at: int, draw: st.DataObject) -> None:
    begun = first[:at]
    ladder = Ladder(anew=[Chunks([*pieces(draw, second), *STOP])])
    events, error = heard(ladder, cut(*pieces(draw, begun)), body={**BODY, "response_format": {"type": "json_object"}})
    if error is not None:
        assert text_of(events) == error.partial == begun
        assert not second.startswith(begun)
    else:
        assert text_of(events).lstrip() == second.lstrip()
        assert text_of(events).startswith(begun)


def is_doubled(text: str, at: int) -> bool:
    """From here on the text says all of itself so far once more: nobody can tell that from beginning again."""
    core = text[:at].strip()
    return telling(core) is not None and text[at:].lstrip().startswith(core)


# The two joints, alone.


@given(partial=TEXTS, rest=st.text(max_size=30), draw=st.data())
def test_a_repetition_gives_back_what_follows_it(partial: str, rest: str, draw: st.DataObject) -> None:
    joint = Repetition(partial)
    said = [joint.take(event.text) for event in pieces(draw, partial + rest) if isinstance(event, TextDelta)]
    assert "".join(said) + joint.end() == rest


@given(partial=TEXTS, said=TEXTS, draw=st.data())
def test_a_continuation_loses_no_character_but_white_space(partial: str, said: str, draw: st.DataObject) -> None:
    assume(not is_doubled(partial + said, len(partial)))
    joint = Continuation(partial)
    try:
        new = [joint.take(event.text) for event in pieces(draw, said) if isinstance(event, TextDelta)]
        got = "".join(new) + joint.end()
    except Unfit:
        length = telling(partial)
        assert length is not None
        assert said.lstrip().startswith(partial.strip()[:length])
        return
    assert said.endswith(got)
    assert not said[: len(said) - len(got)].strip()
