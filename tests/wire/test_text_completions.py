"""Text completions asked where models only chat: a clear refusal, before anything is sent."""

import pytest

import penstock
from penstock.call import Call
from penstock.catalog import vendor
from penstock.errors import BadRequest, CallError
from penstock.wire.anthropic import AnthropicCodec
from penstock.wire.bedrock import BedrockCodec
from penstock.wire.gemini import GeminiCodec

ASKED = Call(id="1", model="m", kind="completion", body={"prompt": "Once upon a time"})
CODECS = {
    **{
        form: AnthropicCodec(vendor("anthropic"), "https://a.test", form=form)
        for form in ("direct", "vertex", "bedrock")
    },
    "converse": BedrockCodec(vendor("bedrock"), "https://b.test"),
    "gemini": GeminiCodec(vendor("gemini")),
    "gemini on vertex": GeminiCodec(vendor("vertex"), "https://v.test", platform="vertex"),
}


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_who_only_chats_says_so(codec):
    with pytest.raises(CallError, match="no text completions; ask it as a chat, with `generate`") as raised:
        codec.encode_request(ASKED, "m", stream=False)
    assert (raised.value.kind, raised.value.sent) == ("bad_request", False)


def test_the_client_raises_bad_request(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-test-not-a-key")
    with penstock.Client("anthropic/claude-sonnet-4-5") as client, pytest.raises(BadRequest, match="generate"):
        client.complete("Once upon a time")
