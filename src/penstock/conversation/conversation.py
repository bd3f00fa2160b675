"""`Conversation`: what was said, what of it fits, and the next question."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar, Unpack, overload

import msgspec

from penstock.answer import Answer, Chunk
from penstock.client import AsyncClient, AsyncStream, ChatOptions, Client, Stream
from penstock.conversation.asking import Exchange, check_askable, check_options, window
from penstock.conversation.document import read_document, write_document
from penstock.conversation.history import History
from penstock.conversation.keeping import Keeper, check_name, open_store
from penstock.conversation.settings import ConversationOptions, begin, check_summarizer
from penstock.conversation.state import State
from penstock.conversation.stats import ConversationStats, stats_of
from penstock.conversation.store import ConversationStore
from penstock.conversation.streaming import AnswerStream
from penstock.conversation.summary import Summarizer
from penstock.errors import PenstockError
from penstock.wiring import Models, TargetContext

__all__ = ["Conversation"]

ClientT = TypeVar("ClientT", Client, AsyncClient, covariant=True)


class Conversation(History, Generic[ClientT]):
    """Messages that belong together, and a client that answers them.

    `Conversation("Be brief.", client=client)`: with a `Client` its `ask` returns the answer, with an `AsyncClient` it
    is awaited; without either, a `Client` of the configuration (or of `model`) is made at the first question. What is
    sent is kept within the targets' contexts and `max_tokens`: the newest messages ("window"), or those and a
    `summary` of the older ones. Options are those of `ConversationOptions`. Any number of threads and tasks may share
    one: questions are asked in the order in which they come, each with all answers before it. Raises `ConfigError`,
    `InputError` for a bad system prompt or name, and `PenstockError` for a store that can't be used.
    """

    @overload
    def __init__(
        self: Conversation[AsyncClient],
        system: str | None = None,
        *,
        client: AsyncClient,
        **options: Unpack[ConversationOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: Conversation[Client],
        system: str | None = None,
        *,
        client: Client | None = None,
        **options: Unpack[ConversationOptions],
    ) -> None: ...
    def __init__(
        self,
        system: str | None = None,
        *,
        client: Client | AsyncClient | None = None,
        **options: Unpack[ConversationOptions],
    ) -> None:
        self._now: Callable[[], float] = options.get("now") or time.time
        self._client = client
        self._hold(begin(system, client, options, self._now), options.get("summarizer"))

    def fork(self, name: str | None = None) -> Conversation[ClientT]:
        """Another conversation with the same beginning; each goes its own way from here.

        With a `name` it is kept under that in the same store. Raises `InputError` when the name is taken.
        """
        fork: Conversation[ClientT] = self._with(
            self._client, self._keeper.refresh(), self._now, self._asker.summarizer
        )
        if name is not None:
            fork.keep(name, self._keeper.store)
        return fork

    # Asking.

    @overload
    def ask(
        self: Conversation[Client], content: Any = None, *, pinned: bool = False, **options: Unpack[ChatOptions]
    ) -> Answer: ...
    @overload
    def ask(
        self: Conversation[AsyncClient], content: Any = None, *, pinned: bool = False, **options: Unpack[ChatOptions]
    ) -> Coroutine[Any, Any, Answer]: ...
    def ask(self, content: Any = None, *, pinned: bool = False, **options: Unpack[ChatOptions]) -> Any:
        """Ask, and keep the question and the answer. `content` is text, a list of parts, or a `penstock.Prompt` with
        `variables=`; without it the conversation is answered as it stands, after a message or a tool's result.

        Options are those of `Client.generate`; raises as it does, and `ContextTooLong` when what must be sent (system
        prompt, pinned messages, the question) has no room. An error or a cancellation leaves the history as it was.
        """
        client = self._answerer()
        if isinstance(client, AsyncClient):
            return self._asker.ask(client, None, content, pinned, options)
        who = ("thread", threading.get_ident())
        return client.on_loop(lambda inner: self._asker.ask(inner, who, content, pinned, options))

    @overload
    def converse(
        self: Conversation[Client],
        content: Any = None,
        *,
        pinned: bool = False,
        max_steps: int = 20,
        max_cost: float | None = None,
        raise_tool_errors: bool = False,
        **options: Unpack[ChatOptions],
    ) -> Answer: ...
    @overload
    def converse(
        self: Conversation[AsyncClient],
        content: Any = None,
        *,
        pinned: bool = False,
        max_steps: int = 20,
        max_cost: float | None = None,
        raise_tool_errors: bool = False,
        **options: Unpack[ChatOptions],
    ) -> Coroutine[Any, Any, Answer]: ...
    def converse(
        self,
        content: Any = None,
        *,
        pinned: bool = False,
        max_steps: int = 20,
        max_cost: float | None = None,
        raise_tool_errors: bool = False,
        **options: Unpack[ChatOptions],
    ) -> Any:
        """Ask, call the `tools` that the model wants, and keep the question, all calls and results and the answer.

        Options are those of `Client.converse`; raises as it and `ask` do. They are kept together once the answer is
        there: an error, a bound or a cancellation leaves the history as it was, and the error has the `messages`. A
        tool can't ask the conversation itself, which waits for it.
        """
        client = self._answerer()
        bounds = {"max_steps": max_steps, "max_cost": max_cost, "raise_tool_errors": raise_tool_errors}
        if isinstance(client, AsyncClient):
            return self._asker.converse(client, None, content, pinned, bounds, options)
        who = ("thread", threading.get_ident())
        return client.on_loop(lambda inner: self._asker.converse(inner, who, content, pinned, bounds, options))

    @overload
    def stream(
        self: Conversation[Client],
        content: Any = None,
        *,
        pinned: bool = False,
        on_chunk: Callable[[Chunk, str], object] | None = None,
        on_complete: Callable[[Answer], object] | None = None,
        on_error: Callable[[PenstockError], object] | None = None,
        **options: Unpack[ChatOptions],
    ) -> Stream: ...
    @overload
    def stream(
        self: Conversation[AsyncClient],
        content: Any = None,
        *,
        pinned: bool = False,
        on_chunk: Callable[[Chunk, str], object] | None = None,
        on_complete: Callable[[Answer], object] | None = None,
        on_error: Callable[[PenstockError], object] | None = None,
        **options: Unpack[ChatOptions],
    ) -> AnswerStream: ...
    def stream(
        self,
        content: Any = None,
        *,
        pinned: bool = False,
        on_chunk: Callable[[Chunk, str], object] | None = None,
        on_complete: Callable[[Answer], object] | None = None,
        on_error: Callable[[PenstockError], object] | None = None,
        **options: Unpack[ChatOptions],
    ) -> Stream | AnswerStream:
        """As `ask`, with the answer's chunks as they come. The question and the answer are kept once the last one is
        there; until then, or until the stream is closed, other questions wait."""
        check_options(options)
        client = self._answerer()
        if isinstance(client, AsyncClient):
            return self._streamed(client, None, content, pinned, options, on_chunk, on_complete, on_error)
        who = ("thread", threading.get_ident())
        return client.follow(
            lambda inner: self._streamed(inner, who, content, pinned, options, on_chunk, on_complete, on_error)
        )

    def _streamed(
        self,
        client: AsyncClient,
        who: object,
        content: Any,
        pinned: bool,
        options: ChatOptions,
        on_chunk: Callable[[Chunk, str], object] | None,
        on_complete: Callable[[Answer], object] | None,
        on_error: Callable[[PenstockError], object] | None,
    ) -> AnswerStream:
        asker = self._asker
        exchanges: list[Exchange] = []

        async def start() -> AsyncStream:
            await asker.turns.take(who or asyncio.current_task(), keeps=True)
            try:
                exchange = await asker.ready(client, content, pinned, options)
                exchanges.append(exchange)
                return client.stream(exchange.sent.messages, on_chunk=on_chunk, on_error=on_error, **exchange.options)
            except BaseException:
                asker.turns.give()
                raise

        async def settle(answer: Answer) -> None:
            await asker.settle(exchanges[0], answer)

        return AnswerStream(start, settle, asker.turns.give, on_complete=on_complete, on_error=on_error)

    # As a prompt, in numbers, in files.

    def spoken(
        self, contexts: Callable[[Models], Sequence[TargetContext]], model: Models, params: Mapping[str, Any]
    ) -> tuple[list[dict[str, Any]], Models]:
        """What a client that is given the conversation as a prompt sends of it, and whom it asks."""
        state = self._keeper.refresh()
        check_askable(state)
        asked = model or state.settings.model
        return window(state, (), contexts(asked), self._measures, params).messages, asked

    def stats(self) -> ConversationStats:
        """The conversation in numbers."""
        return stats_of(self._keeper.refresh(), self.messages, self._measures, self._contexts())

    def keep(self, name: str, store: str | ConversationStore | None = None) -> None:
        """Keep it under the name from now on, in the store, which is "sqlite" unless said. A question that is on its
        way comes to be kept there with its answer.

        Raises `InputError` when the name is taken.
        """
        into = open_store("sqlite" if store is None else store)
        assert into is not None
        self._keeper.keep(check_name(name), into)

    def save(self, path: str | Path) -> None:
        """Write it to a JSON file, in place of one that is there. Raises `OSError`."""
        state = self._keeper.refresh()
        write_document(Path(path), msgspec.structs.replace(state, messages=self.messages))

    @overload
    @classmethod
    def load(
        cls, path: str | Path, *, client: AsyncClient, summarizer: Summarizer | None = None
    ) -> Conversation[AsyncClient]: ...
    @overload
    @classmethod
    def load(
        cls, path: str | Path, *, client: Client | None = None, summarizer: Summarizer | None = None
    ) -> Conversation[Client]: ...
    @classmethod
    def load(
        cls, path: str | Path, *, client: Client | AsyncClient | None = None, summarizer: Summarizer | None = None
    ) -> Any:
        """The conversation that `save` wrote, but for a function that wrote its summaries: say that one again.

        Raises `InputError` that names the file when it is none, or broken.
        """
        return cls._with(client, read_document(Path(path)), time.time, check_summarizer(summarizer))

    @classmethod
    def _with(cls, client: Any, state: State, now: Callable[[], float], summarizer: Summarizer | None) -> Any:
        made = cls.__new__(cls)
        made._now = now
        made._client = client
        made._hold(Keeper(state), summarizer)
        return made

    def _answerer(self) -> Client | AsyncClient:
        if self._client is None:
            # Of the configuration: the conversation's model, or the route `default`, is asked with each question.
            self._client = Client()
        return self._client
