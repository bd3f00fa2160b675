"""Without a key a credential signs: each attempt anew, and once more when only its signature was stale."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import msgspec
import pytest

from penstock.call import Call, Completion
from penstock.catalog import vendor
from penstock.endpoint import Endpoint, HeaderKey
from penstock.errors import CallError
from penstock.http import WireReply, WireRequest
from penstock.testing import FakeTransport, run
from penstock.wire.openai import OpenAICodec

ANSWER = WireReply(
    200,
    {"content-type": "application/json"},
    b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]}',
)
STALE = WireReply(401, {"content-type": "application/json"}, b'{"error": {"message": "the token has expired"}}')


class Tokens:
    """Gives token-1, token-2 ... ; a refused one is replaced `renewals` times."""

    def __init__(self, renewals: int) -> None:
        self.fetched = 0
        self._has_one = False
        self._renewals = renewals

    def waits(self) -> Awaitable[None] | None:
        return None if self._has_one else self._fetch()

    async def _fetch(self) -> None:
        self.fetched += 1
        self._has_one = True

    def sign(self, request: WireRequest) -> WireRequest:
        return msgspec.structs.replace(request, headers={**request.headers, "authorization": f"token-{self.fetched}"})

    def renewed(self, request: WireRequest, reply: WireReply) -> bool:
        assert request.headers["authorization"] == f"token-{self.fetched}"
        assert reply.status == 401
        self._renewals -= 1
        self._has_one = self._renewals < 0
        return not self._has_one


def asked(
    script: list[Any],
    credential: Tokens | None,
    *,
    key: str | None = None,
    header: str = "authorization",
    **fields: Any,
) -> tuple[list[str | None], object]:
    """What signed each request, and what came of them."""
    transport = FakeTransport(script)

    async def main() -> object:
        endpoint = Endpoint(
            OpenAICodec(vendor("openai")),
            transport,
            model="m",
            name="openai/m",
            now=asyncio.get_running_loop().time,
            sign=HeaderKey("x-api-key"),
            credential=credential,
        )
        body = {"messages": [{"role": "user", "content": "hi"}]}
        try:
            return await endpoint.send(Call(id="r", model="m", body=body, **fields), key)
        except CallError as error:
            return error

    came = run(main())
    return [request.headers.get(header) for request in transport.requests], came


def test_a_token_is_fetched_before_the_first_request() -> None:
    signed, came = asked([ANSWER], Tokens(0))
    assert signed == ["token-1"]
    assert isinstance(came, Completion)


def test_a_stale_token_is_renewed_and_the_request_sent_again() -> None:
    signed, came = asked([STALE, ANSWER], Tokens(9))
    assert signed == ["token-1", "token-2"]
    assert isinstance(came, Completion)


@pytest.mark.parametrize("stream", [False, True])
def test_it_is_renewed_once_for_an_attempt(stream: bool) -> None:
    signed, came = asked([STALE, STALE, ANSWER], Tokens(9), stream=stream)
    assert signed == ["token-1", "token-2"]
    assert isinstance(came, CallError)
    assert came.kind == "auth"


def test_a_refusal_that_no_other_token_mends_is_the_end() -> None:
    signed, came = asked([STALE, ANSWER], Tokens(0))
    assert signed == ["token-1"]
    assert isinstance(came, CallError)


def test_a_key_goes_before_the_credential() -> None:
    signed, _ = asked([ANSWER], Tokens(0), key="sk-test-not-a-key", header="x-api-key")
    assert signed == ["sk-test-not-a-key"]
    assert asked([ANSWER], Tokens(0), key="sk-test-not-a-key")[0] == [None]
