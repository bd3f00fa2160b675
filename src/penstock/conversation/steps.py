"""The steps of one question that is answered with tools: what of them is sent, and what is kept at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from penstock.answer import Answer
from penstock.call import Message as Body
from penstock.client import AsyncClient
from penstock.client.tool_loop import Heard
from penstock.conversation.message import Message, answer_message

if TYPE_CHECKING:
    from penstock.conversation.asking import Asker, Exchange

__all__ = ["Steps"]


class Steps:
    """One question's way through calls of tools and their results to its answer."""

    def __init__(self, asker: Asker, client: AsyncClient, exchange: Exchange, now: Callable[[], float]) -> None:
        self._asker = asker
        self._client = client
        self._exchange = exchange
        self._state = exchange.state
        self._now = now
        self._heard: Sequence[Heard] = ()
        self._messages: list[Message] = []

    @property
    def answers(self) -> list[Answer]:
        """Every step's own; the last one's is the answer, without what the others took."""
        return [answer for _, answer in self._heard if answer is not None]

    def messages(self) -> tuple[Message, ...]:
        """What came so far, in its order."""
        for body, answer in self._heard[len(self._messages) :]:
            at_s = self._now()
            # A result has come with its call: nobody else can have put anything between.
            self._messages.append(Message(body=body, at_s=at_s) if answer is None else answer_message(answer, at_s))
        return tuple(self._messages)

    async def run(self, bounds: Mapping[str, Any]) -> Answer:
        """The answer, with what all steps took. Raises as `AsyncClient.converse` does, and `ContextTooLong`."""
        exchange = self._exchange
        loop = self._client.tool_loop(exchange.sent.messages, window=self._window, **bounds, **exchange.options)
        self._heard = loop.heard
        return await loop.run()

    async def _window(self, _: Sequence[Heard]) -> list[Body]:
        new = (*self._exchange.new, *self.messages())
        self._state, sent = await self._asker.fit(self._client, self._state, new, self._exchange.asked)
        return sent.messages
