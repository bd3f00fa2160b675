"""Bedrock's wire keeps what every codec promises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.exam import CUTS, TEXTS, check_split_and_damaged, completions

from penstock.call import Call, Usage
from penstock.catalog import Vendor
from penstock.testing import exercise_codec
from penstock.testing.exam_codec import check_reply, check_stream
from penstock.wire.bedrock import BedrockCodec

CODEC = BedrockCodec(Vendor(name="bedrock", title="Amazon Bedrock"), "https://bedrock.test")
ASKED = Call(id="", model="m", body={"messages": [{"role": "user", "content": "?"}]})


@pytest.mark.parametrize(
    ("kind", "model"), [("chat", "us.amazon.nova-lite-v1:0"), ("embedding", "cohere.embed-english-v3")]
)
def test_it_passes_the_exam(kind, model):
    exercise_codec(CODEC, kinds=(kind,), model=model, most_choices=1)


OBJECTS = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5), st.integers() | TEXTS, max_size=3
)


@st.composite
def usages(draw):
    given_, cached, kept = (draw(st.integers(0, 9999)) for _ in range(3))
    return Usage(given_ + cached + kept, draw(st.integers(0, 9999)), cached, draw(st.integers(0, 99)), kept)


COMPLETIONS = completions(OBJECTS, usages(), prefix="tooluse", id_="")


@given(COMPLETIONS)
def test_what_is_written_is_read_back(completion):
    check_reply(CODEC, ASKED, completion)
    check_stream(CODEC, ASKED, completion)


@given(COMPLETIONS, CUTS, st.integers(0, 3000), st.integers(0, 255))
def test_any_split_gives_the_same_and_any_damage_only_call_errors(completion, cuts, at, byte):
    check_split_and_damaged(CODEC, ASKED, completion, cuts=cuts, at=at, byte=byte)
