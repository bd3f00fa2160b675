"""`AsyncClient`: builds a call, awaits the handler, returns an answer. It decides nothing."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Unpack

import msgspec

from penstock.answer import Answer, Chunk
from penstock.call import Call, Completion, PromptVersion, Reply
from penstock.client.embedding import parts_of
from penstock.client.forms import DEFAULT_REASKS, answer_of
from penstock.client.mapping import Mapping
from penstock.client.options import Asking, client_engine, read_options
from penstock.client.parameters import check_many
from penstock.client.prompting import TextPrompt
from penstock.client.request import Prompt, Row, row_of
from penstock.client.stream import AsyncStream, StreamCallbacks
from penstock.client.tool_loop import ToolLoop, Window, read_bounds
from penstock.client.vocabulary import ChatOptions, ClientOptions, CompletionOptions, EmbeddingOptions
from penstock.errors import ConfigError, PenstockError
from penstock.handler import Handler
from penstock.wiring import EngineStats, Keys, Manner, Models, TargetContext, contexts_of
from penstock.wiring.packers import bounds_of

if TYPE_CHECKING:
    from penstock.client.batcher import AsyncBatcher

__all__ = ["AsyncClient"]

_CONCURRENCY = 200
_EMBEDDINGS_AT_ONCE = 8
_BULK_DEADLINE_S = 120.0


class AsyncClient:
    """Sends prompts to the targets it was made for, in order of preference, from a running event loop.

    `AsyncClient("openai/gpt-4o-mini", "together/...")`, or `route="default"`; with neither, the route `default`
    unless a request names its `model`. Options are those of `ClientOptions`: `config` (a path or a dict; None
    searches as the command does), `deadline` (120 s unless set), `hedge`, `timeouts`, `limits` and so on. Times are
    seconds or text such as "20s". Raises `ConfigError`. Use it in `async with`, or call `aclose` at the end.
    """

    def __init__(self, *targets: str, **options: Unpack[ClientOptions]) -> None:
        self._models, self._engine, self.concurrency = client_engine(targets, options)
        """The most requests at once that the client's limits allow; None where they say nothing."""
        self._number = itertools.count(1)
        self._ids = f"req-{secrets.token_hex(4)}-"

    async def generate(self, prompt: Prompt, **options: Unpack[ChatOptions]) -> Answer:
        """The answer to a prompt: text, a list of chat messages, or a `Request`.

        Options are OpenAI's sampling parameters, `system`, `model`, `deadline`, `hedge`, `timeouts`, `tags`, and
        `extra` for what only a provider knows. A truncated or filtered answer is an answer: its `status` says so.
        Raises `Unanswered` or the narrow error of it, `InputError` for a prompt that is none, `ConfigError` for an
        unknown model or a bad setting, `TypeError` for an unknown option.
        """
        return await self._ask(
            row_of(prompt, read_options("chat", options), models=self._models, contexts=self.contexts)
        )

    def stream(
        self,
        prompt: Prompt,
        *,
        on_chunk: Callable[[Chunk, str], object] | None = None,
        on_complete: Callable[[Answer], object] | None = None,
        on_error: Callable[[PenstockError], object] | None = None,
        **options: Unpack[ChatOptions],
    ) -> AsyncStream:
        """The answer's chunks as they come: `async with client.stream(...) as stream`, or `async for chunk in` it.

        `on_chunk(chunk, text_so_far)`, `on_complete(answer)` and `on_error(error)` are called as it is read; `await
        stream.finish()` reads it all. Raises `InputError` and `TypeError` at once, `Unanswered` while it is read.
        """
        row = row_of(prompt, read_options("chat", options), models=self._models, contexts=self.contexts)

        def begin() -> tuple[Awaitable[Reply], Call]:
            call = self._call(row, stream=True)
            return self._handler(row)(call), call

        callbacks = StreamCallbacks(on_chunk, on_complete, on_error)
        return AsyncStream(begin, row, model=_one(row.models), callbacks=callbacks)

    async def converse(
        self,
        prompt: Prompt,
        *,
        max_steps: int = 20,
        max_cost: float | None = None,
        raise_tool_errors: bool = False,
        **options: Unpack[ChatOptions],
    ) -> Answer:
        """The answer after as many rounds of tool calls and results as the model wants, with all `messages`.

        `tools` are functions, sync (run in a thread) or async; calls of one round run together. What goes wrong in one
        is told to the model, or raised with `raise_tool_errors`. `max_steps` bounds the requests, `max_cost` the US
        dollars, `deadline` the time of all of it: `ToolLoopStopped` is raised there and carries the `messages` so far.
        A model's call of a tool without a function ends the loop with that answer. Raises as `generate` does.
        """
        loop = self.tool_loop(
            prompt, max_steps=max_steps, max_cost=max_cost, raise_tool_errors=raise_tool_errors, **options
        )
        return await loop.run()

    def tool_loop(
        self,
        prompt: Prompt,
        *,
        max_steps: int = 20,
        max_cost: float | None = None,
        raise_tool_errors: bool = False,
        window: Window | None = None,
        **options: Unpack[ChatOptions],
    ) -> ToolLoop:
        """What `converse` runs, for who keeps its messages one by one (`heard`) and says what of them is sent."""
        row = row_of(prompt, read_options("chat", options), models=self._models, contexts=self.contexts)
        if not row.functions:
            raise ConfigError("tools: converse needs at least one function, tools=[f]; generate asks without")
        clock = self._engine.clock
        deadline_s = None if row.deadline_s is None else clock.now() + row.deadline_s
        bounds = read_bounds(max_steps, max_cost, deadline_s=deadline_s)
        return ToolLoop(
            self._complete,
            row,
            bounds,
            model=_one(row.models),
            clock=clock,
            raise_tool_errors=raise_tool_errors,
            window=window,
        )

    async def complete(self, prompt: TextPrompt, **options: Unpack[CompletionOptions]) -> str:
        """How a completion-only model goes on with the text. Raises as `generate` does."""
        asking = read_options("completion", options)
        row = row_of(prompt, asking, kind="completion", models=self._models, contexts=self.contexts)
        return (await self._ask(row)).text

    async def embed(
        self, inputs: str | Sequence[str] | Sequence[Sequence[int]], **options: Unpack[EmbeddingOptions]
    ) -> list[Sequence[float]]:
        """A vector for each text (or list of token ids), in their order; for one text a list of one.

        More than one request takes are sent as several, at most 8 at once, to the target that answered the first: no
        two models mix. Raises as `generate` does.
        """
        asking = read_options("embedding", options)
        bounds = bounds_of(self._engine, self._models if asking.model is None else asking.model)
        parts = parts_of(inputs, bounds.parts_of)
        vectors: list[Sequence[float]] = []
        for part in parts:
            first = await self._ask(row_of(part, asking, kind="embedding"))
            vectors.extend(first.vectors)
            asking = msgspec.structs.replace(asking, model=first.target or asking.model)
            break

        async def ask(part: Sequence[Any]) -> Answer:
            return await self._ask(row_of(part, asking, kind="embedding"))

        mapping = Mapping(parts, ask, concurrency=_EMBEDDINGS_AT_ONCE, ordered=True)
        try:
            async for _, answer in mapping:
                vectors.extend(answer.vectors)
        finally:
            await mapping.aclose()
        return vectors

    def map(
        self,
        prompts: Iterable[Prompt] | AsyncIterable[Prompt],
        *,
        ordered: bool = True,
        concurrency: int | None = None,
        **options: Unpack[ChatOptions],
    ) -> AsyncIterator[Answer]:
        """An answer for each prompt, in their order, or as they come with `ordered=False`.

        Lazy: prompts are taken as answers are, at most four times `concurrency` (200 unless the client's limits say
        another) ahead, so memory doesn't grow with the input. Never raises for an item: a failed answer has its
        `error`. The deadline of an item counts from its first send; waits at a limit don't count. What the iterator
        of the prompts raises is raised here, after the answers to what came before.
        """
        check_many(prompts, concurrency)
        asking = read_options("chat", options)
        return self._map(prompts, asking, ordered=ordered, concurrency=concurrency)

    async def run(
        self,
        prompts: Iterable[Prompt] | AsyncIterable[Prompt],
        *,
        progress: bool = False,
        journal: str | Path | None = None,
        retry_failed: bool = False,
        concurrency: int | None = None,
        **options: Unpack[ChatOptions],
    ) -> list[Answer]:
        """Every prompt's answer, in their order; a failed one has its `error`.

        `progress` shows on stderr how it goes. `journal` names a file that makes the run resumable: a request that
        it holds an answer for is not asked again, wherever it stands in the list; a failed one only with
        `retry_failed`. Raises `InputError` for a prompt that is none before anything is sent, `JournalError`, and
        `OSError` when the journal can't be written.
        """
        from penstock.client.collect import run_all

        check_many(prompts, concurrency)
        asking = read_options("chat", options)
        self._engine.widen(concurrency or 0)
        given = [prompt async for prompt in prompts] if isinstance(prompts, AsyncIterable) else list(prompts)
        return await run_all(
            self._engine,
            [self._placed(row_of(prompt, asking, models=self._models, contexts=self.contexts)) for prompt in given],
            self._bulk,
            concurrency=concurrency or self.concurrency or _CONCURRENCY,
            progress=progress,
            journal=None if journal is None else Path(journal),
            retry_failed=retry_failed,
        )

    def batcher(
        self,
        max_size: int = 256,
        max_wait: float | str = 0.01,
        *,
        max_waiting: int = 10_000,
        concurrency: int | None = None,
    ) -> AsyncBatcher:
        """Single calls of many tasks, together: `async with client.batcher() as batcher`, `await batcher.embed(text)`.

        Embeddings asked within `max_wait` are one request of at most `max_size`; chats share `concurrency` (200 unless
        the client's limits say another) and an order. When `max_waiting` embeddings wait for their vectors, further
        callers wait for room. Raises `ConfigError`.
        """
        from penstock.client.batcher import AsyncBatcher, Doors

        doors = Doors(self._engine, self._models, self.contexts, self._call, self._manner, self._bulk)
        most = self.concurrency or _CONCURRENCY if concurrency is None else concurrency
        return AsyncBatcher(doors, max_size=max_size, max_wait=max_wait, max_waiting=max_waiting, concurrency=most)

    def stats(self) -> EngineStats:
        """Requests, tokens and cost since the start, and how full each target's limits are; at the end, once closed."""
        return self._engine.stats()

    def contexts(self, model: Models = None) -> tuple[TargetContext, ...]:
        """How much each target reads and writes, those of `model` or the client's own. Raises `ConfigError`."""
        return contexts_of(self._engine, self._models if model is None else model)

    def keys(self, provider: str) -> Keys:
        """A provider's keys; `replace([...])` exchanges them while requests run. Raises `ConfigError`."""
        return self._engine.keys(provider)

    async def aclose(self) -> None:
        """Close every connection. Harmless when nothing was opened."""
        await self._engine.aclose()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        models = self._models if isinstance(self._models, tuple) else (self._models,)
        return f"{type(self).__name__}({', '.join(map(repr, models))})"

    # From a row to an answer.

    def _call(self, row: Row, *, stream: bool = False, priority: int = 0, timed: bool = True) -> Call:
        has_deadline = timed and row.deadline_s is not None
        return Call(
            id=f"{self._ids}{next(self._number)}",
            model=_one(row.models) or _one(self._models) or "",
            body=row.body,
            kind=row.kind,
            stream=stream,
            deadline_s=self._engine.clock.now() + (row.deadline_s or 0.0) if has_deadline else None,
            priority=priority,
            estimate=self._engine.estimate(self._models if row.models is None else row.models, row),
            tags=row.tags,
            cache=self._engine.caching.checked(row.cache),
            sample=row.sample,
            variables=row.variables,
            expected=row.form,
            reasks=DEFAULT_REASKS if row.reasks is None else row.reasks,
        )

    def _handler(self, row: Row) -> Handler:
        models = self._models if row.models is None else row.models
        return self._engine.handler(models, manner=self._manner(row))

    def _manner(self, row: Row) -> Manner | None:
        if row.timeouts is None and row.hedge is None:
            return None
        # A fixed delay is held against the call's own deadline.
        deadline_s = row.deadline_s if isinstance(row.hedge, float) else None
        return Manner(timeouts=row.timeouts, hedge=row.hedge, deadline_s=deadline_s)

    async def _ask(self, row: Row) -> Answer:
        return answer_of(await self._complete(row), row, model=_one(row.models))

    async def _complete(self, row: Row) -> Completion:
        handler = self._handler(row)
        reply = await handler(self._call(row))
        assert isinstance(reply, Completion)
        return reply

    def _placed(self, row: Row) -> Row:
        """The row with the client's models where it names none."""
        if row.models is not None:
            return row
        return msgspec.structs.replace(row, models=self._models)

    def _bulk(self, row: Row) -> tuple[Handler, Call]:
        """How one of many is asked: patiently, its deadline counted from its first send."""
        models = self._models if row.models is None else row.models
        manner = Manner(
            patience="batch",
            deadline_s=row.deadline_s,
            else_deadline_s=_BULK_DEADLINE_S,
            timeouts=row.timeouts,
            hedge=row.hedge,
        )
        return self._engine.handler(models, manner=manner), self._call(row, priority=1, timed=False)

    async def _map(
        self,
        prompts: Iterable[Prompt] | AsyncIterable[Prompt],
        asking: Asking,
        *,
        ordered: bool,
        concurrency: int | None,
    ) -> AsyncIterator[Answer]:
        async def settle(prompt: Prompt) -> Answer:
            return await self._settled(prompt, asking)

        most = concurrency or self.concurrency or _CONCURRENCY
        self._engine.widen(most)
        mapping: Mapping[Prompt, Answer] = Mapping(prompts, settle, concurrency=most, ordered=ordered)
        try:
            async for _, answer in mapping:
                yield answer
        finally:
            await mapping.aclose()

    async def _settled(self, prompt: Prompt, asking: Asking) -> Answer:
        """The answer, or what kept it from coming as one."""
        body: dict[str, Any] = {}
        models: Models = None
        source: PromptVersion | None = None
        try:
            row = row_of(prompt, asking, models=self._models, contexts=self.contexts)
            body, models, source = row.body, row.models, row.prompt
            handler, call = self._bulk(row)
            reply = await handler(call)
            assert isinstance(reply, Completion)
            return answer_of(reply, row, model=_one(models))
        except PenstockError as error:
            return Answer(None, body=body, model=_one(models), error=error, prompt=source)


def _one(models: Models) -> str | None:
    """The model when exactly one was named."""
    if models is None or isinstance(models, str):
        return models
    return models[0] if len(models) == 1 else None
