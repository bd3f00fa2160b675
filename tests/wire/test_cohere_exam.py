"""Cohere's wire keeps what every codec promises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.cohere_given import ASKED, CODEC
from tests.wire.exam import CUTS, check_split_and_damaged, completions

from penstock.testing import exercise_codec
from penstock.testing.exam_codec import check_reply, check_stream


@pytest.mark.parametrize("kind", ["chat", "embedding"])
def test_it_passes_the_exam(kind):
    exercise_codec(CODEC, kinds=(kind,), model="command-a-03-2025", most_choices=1)


@given(completions())
def test_what_is_written_is_read_back(completion):
    check_reply(CODEC, ASKED, completion)
    check_stream(CODEC, ASKED, completion)


@given(completions(), CUTS, st.integers(0, 3000), st.integers(0, 255))
def test_any_split_gives_the_same_and_any_damage_only_call_errors(completion, cuts, at, byte):
    check_split_and_damaged(CODEC, ASKED, completion, cuts=cuts, at=at, byte=byte)
