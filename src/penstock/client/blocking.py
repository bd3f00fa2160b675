"""`Client`: the same methods for blocking code, in a script or inside a running loop."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from penstock.answer import Answer, Chunk
from penstock.client.asynchronous import AsyncClient
from penstock.client.mapping import window_for
from penstock.client.parameters import check_many
from penstock.client.prompting import TextPrompt
from penstock.client.request import Prompt
from penstock.client.stream import ReadStream, Stream
from penstock.client.vocabulary import ChatOptions, ClientOptions, CompletionOptions, EmbeddingOptions
from penstock.errors import PenstockError
from penstock.portal import Portal
from penstock.wiring import EngineStats, Keys, Models, TargetContext

if TYPE_CHECKING:
    from penstock.client.batcher import Batcher

__all__ = ["BlockingKeys", "Client"]

T = TypeVar("T")

_CONCURRENCY = 200


class Client:
    """Sends prompts to the targets it was made for, in order of preference. Works inside a running loop (Jupyter) too.

    `Client("openai/gpt-4o-mini", "together/...")`, or `route="default"`; with neither, the route `default` unless a
    request names its `model`. Options are those of `ClientOptions`: `config` (a path or a dict; None searches as the
    command does), `deadline` (120 s unless set), `hedge`, `timeouts`, `limits` and so on. Times are seconds or text
    such as "20s". Raises `ConfigError`. Threads may share it; a process that is forked makes its own.

    Its connections close at the end of a `with`, at `close`, or at exit.
    """

    def __init__(self, *targets: str, **options: Unpack[ClientOptions]) -> None:
        self._client = AsyncClient(*targets, **options)
        self._portal = Portal()
        # Holds the portal, not the client: a client that nobody holds any more closes itself.
        self._finalizer = weakref.finalize(self, _close, self._client, self._portal)

    def generate(self, prompt: Prompt, **options: Unpack[ChatOptions]) -> Answer:
        """The answer to a prompt: text, a list of chat messages, or a `Request`.

        Options are OpenAI's sampling parameters, `system`, `model`, `deadline`, `hedge`, `timeouts`, `tags`, and
        `extra` for what only a provider knows. A truncated or filtered answer is an answer: its `status` says so.
        Raises `Unanswered` or the narrow error of it, `InputError` for a prompt that is none, `ConfigError` for an
        unknown model or a bad setting, `TypeError` for an unknown option.
        """
        return self._portal.run(self._client.generate(prompt, **options))

    def stream(
        self,
        prompt: Prompt,
        *,
        on_chunk: Callable[[Chunk, str], object] | None = None,
        on_complete: Callable[[Answer], object] | None = None,
        on_error: Callable[[PenstockError], object] | None = None,
        **options: Unpack[ChatOptions],
    ) -> Stream:
        """The answer's chunks as they come: `with client.stream(...) as stream`, or `for chunk in` it.

        `on_chunk(chunk, text_so_far)`, `on_complete(answer)` and `on_error(error)` are called as it is read, in the
        client's own thread; `stream.finish()` reads it all. Raises `InputError` and `TypeError` at once,
        `Unanswered` while it is read.
        """
        stream = self._client.stream(prompt, on_chunk=on_chunk, on_complete=on_complete, on_error=on_error, **options)
        return Stream(stream, self._portal, owner=self)

    def converse(
        self,
        prompt: Prompt,
        *,
        max_steps: int = 20,
        max_cost: float | None = None,
        raise_tool_errors: bool = False,
        **options: Unpack[ChatOptions],
    ) -> Answer:
        """The answer after as many rounds of tool calls and results as the model wants, with all `messages`.

        `tools` are functions, sync (run in threads) or async (in the client's own loop); calls of one round run
        together. What goes wrong in one is told to the model, or raised with `raise_tool_errors`. `max_steps` bounds
        the requests, `max_cost` the US dollars, `deadline` the time of all of it: `ToolLoopStopped` is raised there
        and carries the `messages` so far. A model's call of a tool without a function ends the loop with that answer.
        Raises as `generate` does.
        """
        work = self._client.converse(
            prompt,
            max_steps=max_steps,
            max_cost=max_cost,
            raise_tool_errors=raise_tool_errors,
            **options,
        )
        return self._portal.run(work)

    def complete(self, prompt: TextPrompt, **options: Unpack[CompletionOptions]) -> str:
        """How a completion-only model goes on with the text. Raises as `generate` does."""
        return self._portal.run(self._client.complete(prompt, **options))

    def embed(
        self, inputs: str | Sequence[str] | Sequence[Sequence[int]], **options: Unpack[EmbeddingOptions]
    ) -> list[Sequence[float]]:
        """A vector for each text (or list of token ids), in their order; for one text a list of one.

        More than one request takes are sent as several, at most 8 at once. Raises as `generate` does.
        """
        return self._portal.run(self._client.embed(inputs, **options))

    def map(
        self,
        prompts: Iterable[Prompt],
        *,
        ordered: bool = True,
        concurrency: int | None = None,
        **options: Unpack[ChatOptions],
    ) -> Iterator[Answer]:
        """An answer for each prompt, in their order, or as they come with `ordered=False`.

        Lazy: prompts are taken, in the calling thread, as answers are, at most four times `concurrency` (200 unless
        the client's limits say another) ahead, so memory doesn't grow with the input. Never raises for an item: a
        failed answer has its `error`. The deadline of an item counts from its first send; waits at a limit don't
        count. What the iterator of the prompts raises is raised here.
        """
        check_many(prompts, concurrency)
        most = concurrency or self._client.concurrency or _CONCURRENCY
        feed = _Feed()
        answers = self._client.map(feed, ordered=ordered, concurrency=most, **options)
        return self._pull(iter(prompts), feed, answers, window_for(most))

    def run(
        self,
        prompts: Iterable[Prompt],
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
        check_many(prompts, concurrency)
        work = self._client.run(
            list(prompts),
            progress=progress,
            journal=journal,
            retry_failed=retry_failed,
            concurrency=concurrency,
            **options,
        )
        return self._portal.run(work)

    def batcher(
        self,
        max_size: int = 256,
        max_wait: float | str = 0.01,
        *,
        max_waiting: int = 10_000,
        concurrency: int | None = None,
    ) -> Batcher:
        """Single calls of many threads, together: `with client.batcher() as batcher`, `batcher.embed(text)` in each.

        Embeddings asked within `max_wait` are one request of at most `max_size`; chats share `concurrency` (200 unless
        the client's limits say another) and an order. When `max_waiting` embeddings wait for their vectors, further
        callers wait for room. Raises `ConfigError`.
        """
        from penstock.client.batcher import Batcher

        batcher = self._client.batcher(max_size, max_wait, max_waiting=max_waiting, concurrency=concurrency)
        return Batcher(batcher, self._portal, owner=self)

    def stats(self) -> EngineStats:
        """Requests, tokens and cost since the start, and how full each target's limits are; at the end, once closed."""
        if not self._finalizer.alive:
            return self._client.stats()

        async def stats() -> EngineStats:
            return self._client.stats()

        return self._portal.run(stats())

    def contexts(self, model: Models = None) -> tuple[TargetContext, ...]:
        """How much each target reads and writes, those of `model` or the client's own. Raises `ConfigError`."""
        return self._client.contexts(model)

    def on_loop(self, work: Callable[[AsyncClient], Coroutine[Any, Any, T]]) -> T:
        """The result of `work`, awaited in the client's own loop with its asynchronous side."""
        return self._portal.run(work(self._client))

    def follow(self, open_: Callable[[AsyncClient], ReadStream]) -> Stream:
        """A stream of the client's asynchronous side, for blocking code. Nothing is sent before it is read."""
        return Stream(open_(self._client), self._portal, owner=self)

    def keys(self, provider: str) -> BlockingKeys:
        """A provider's keys; `replace([...])` exchanges them while requests run. Raises `ConfigError`."""
        return BlockingKeys(self._client.keys(provider), self._portal, owner=self)

    def close(self) -> None:
        """Cancel what runs and close every connection. Harmless when nothing was opened."""
        self._finalizer()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return repr(self._client).removeprefix("Async")

    def _pull(
        self, prompts: Iterator[Prompt], feed: _Feed, answers: AsyncIterator[Answer], window: int
    ) -> Iterator[Answer]:
        """Prompts in, answers out, in the calling thread; the loop's thread does what is between."""
        ready: queue.SimpleQueue[Answer | _End] = queue.SimpleQueue()
        pump = _Pump(answers, ready)
        taken = given = 0
        exhausted = False
        feed.bind(self._portal.loop)
        self._portal.call_soon(pump.start)
        try:
            while True:
                if ready.empty() and not exhausted and taken - given < window:
                    prompt = next(prompts, feed)
                    if prompt is feed:
                        exhausted = True
                        feed.end()
                    else:
                        taken += 1
                        feed.put(prompt)
                    continue
                answer = ready.get()
                if isinstance(answer, _End):
                    if answer.error is not None:
                        raise answer.error
                    return
                given += 1
                yield answer
        finally:
            with contextlib.suppress(PenstockError):  # closed meanwhile, and the pump with it
                self._portal.run(pump.stop())


class BlockingKeys:
    """A provider's keys, from blocking code: how many there are, and a way to exchange them. Never shows one."""

    def __init__(self, keys: Keys, portal: Portal, *, owner: object) -> None:
        self._keys = keys
        self._portal = portal
        self._owner = owner

    def __len__(self) -> int:
        return len(self._keys)

    def replace(self, keys: Iterable[str]) -> None:
        """Use these keys from the next request on; what is in flight ends with its own. Raises `ConfigError`."""
        fresh = keys if isinstance(keys, str) else list(keys)

        async def replace() -> None:
            self._keys.replace(fresh)

        self._portal.run(replace())

    def __repr__(self) -> str:
        return repr(self._keys)


class _End:
    """The answers are over, with an error or without."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class _Feed:
    """Prompts from the calling thread, as the loop's thread takes them."""

    def __init__(self) -> None:
        self._prompts: deque[Any] = deque()
        self._ended = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._hungry: asyncio.Future[None] | None = None

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def put(self, prompt: Any) -> None:
        self._prompts.append(prompt)
        self._wake()

    def end(self) -> None:
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        # Read without a lock: the reader looks at the prompts once more after it has made itself known.
        if self._hungry is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._feed)

    def _feed(self) -> None:
        if self._hungry is not None and not self._hungry.done():
            self._hungry.set_result(None)

    def __aiter__(self) -> _Feed:
        return self

    async def __anext__(self) -> Any:
        while True:
            if self._prompts:
                return self._prompts.popleft()
            if self._ended and not self._prompts:
                raise StopAsyncIteration
            self._hungry = asyncio.get_running_loop().create_future()
            try:
                if not self._prompts and not self._ended:
                    await self._hungry
            finally:
                self._hungry = None


class _Pump:
    """Moves answers from the loop's thread to the calling one."""

    def __init__(self, answers: AsyncIterator[Answer], ready: queue.SimpleQueue[Answer | _End]) -> None:
        self._answers = answers
        self._ready = ready
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._move())

    async def _move(self) -> None:
        error: BaseException | None = PenstockError("the client was closed while the answers were read")
        try:
            async for answer in self._answers:
                self._ready.put(answer)
            error = None
        except Exception as failure:  # noqa: BLE001 - it is raised where the answers are read
            error = failure
        finally:
            self._ready.put(_End(error))

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


def _close(client: AsyncClient, portal: Portal) -> None:
    portal.close(client.aclose)
