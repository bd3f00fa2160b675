"""What stands between a question and its answer: the window, the summary, the record of what was sent."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from penstock.answer import Answer
from penstock.call import PromptVersion
from penstock.client import AsyncClient, ChatOptions
from penstock.client.options import read_options
from penstock.conversation.context import UNKNOWN, Measures, Sent, fitted
from penstock.conversation.keeping import Keeper
from penstock.conversation.message import Message, answer_message, check_order, open_calls
from penstock.conversation.question import question_of
from penstock.conversation.state import State, Summary
from penstock.conversation.steps import Steps
from penstock.conversation.summary import Summarizer, summarise, tokens_for, written_by
from penstock.conversation.turns import Turns
from penstock.errors import ConfigError, ContextTooLong, InputError, PenstockError
from penstock.wiring import Models, TargetContext

__all__ = ["Asker", "Exchange", "NotKept", "check_askable", "check_options", "window"]

_log = logging.getLogger("penstock.conversation")
_AFTER_SUMMARY = 0.5
"""The part of the limit that is filled after a summary was written, so that the next one isn't due at once."""


class Exchange(NamedTuple):
    """A question on its way."""

    state: State
    """What it is asked on top of."""
    new: tuple[Message, ...]
    """The question, where one was asked; () where the conversation goes on as it stands."""
    sent: Sent
    options: dict[str, Any]
    asked: Asked
    source: PromptVersion | None
    """The prompt that the question was made from."""


class Asked(NamedTuple):
    """Whom a question is put to, and the request's fields beside the messages."""

    model: Models
    contexts: Sequence[TargetContext]
    params: Mapping[str, Any]


def window(
    state: State,
    new: tuple[Message, ...],
    contexts: Sequence[TargetContext],
    measures: Measures,
    params: Mapping[str, Any],
    *,
    share: float = 1.0,
) -> Sent:
    """What would be sent of the state and of what is new. Raises `ContextTooLong`."""
    return fitted(
        (*state.messages, *new),
        state.summary,
        contexts,
        measures,
        max_tokens=state.settings.max_tokens,
        params=params,
        share=share,
    )


class NotKept(PenstockError):
    """An answer came, and the conversation's store couldn't be written: `answer` has it, the history is as it was."""

    def __init__(self, message: str, answer: Answer) -> None:
        super().__init__(message)
        self.answer = answer


class Shortened(NamedTuple):
    """A summary that was written: of which messages, and what it took."""

    covered: tuple[Message, ...]
    summary: Summary
    answers: list[Answer]
    """None of them where the caller's own function wrote it."""

    def apply(self, state: State) -> State:
        """The state with the summary, if what it tells is still there."""
        spent = state.spent
        if not self.answers:
            spent = msgspec.structs.replace(spent, summaries=spent.summaries + 1)
        for answer in self.answers:
            spent = spent.plus(answer, summary=True)
        covers = self.summary.covers
        is_there = all(
            one is other or one.body == other.body
            for one, other in zip(state.messages[:covers], self.covered, strict=False)
        )
        summary = self.summary if is_there and len(state.messages) >= covers else state.summary
        return msgspec.structs.replace(state, summary=summary, spent=spent)


async def _shorter(
    client: AsyncClient,
    state: State,
    new: tuple[Message, ...],
    asking: Asked,
    measures: Measures,
    summarizer: Summarizer | None,
) -> Shortened | str:
    """A summary of what leaves the window, or why there is none."""
    model, contexts, params = asking
    full = window(state, new, contexts, measures, params)
    try:
        kept = window(state, new, contexts, measures, params, share=_AFTER_SUMMARY)
    except ContextTooLong:
        kept = full
    before = state.summary.covers if state.summary is not None else 0
    chosen = set(kept.indexes)
    leaving = [index for index in range(before, len(state.messages)) if index not in chosen]
    if not leaving:
        return "there was nothing to summarise"
    settings = state.settings
    tokens = tokens_for(full.limit or 0, settings.summary_tokens)
    asked = settings.summary_model or model
    memory = state.summary.text if state.summary is not None else None
    told = [state.messages[index] for index in leaving]
    try:
        if summarizer is None:
            text, answers = await summarise(client, memory, told, model=asked, tokens=tokens)
        else:
            counted = next(iter(contexts), UNKNOWN).model
            text, answers = await written_by(summarizer, memory, told, model=counted, tokens=tokens), []
    except PenstockError as error:
        _log.warning("what left the window could not be summarised: %s", error)
        return f"what left the window could not be summarised: {error}"
    covers = leaving[-1] + 1
    return Shortened(state.messages[:covers], Summary(text, covers), answers)


def _settled(state: State, new: tuple[Message, ...], answers: Sequence[Answer]) -> State:
    """The state with an exchange that came to its end, and what its answers came to."""
    spent = state.spent
    for answer in answers:
        spent = spent.plus(answer)
    return msgspec.structs.replace(state.with_messages(state.messages + new), spent=spent)


class Asker:
    """Asks the questions of one conversation, one after the other."""

    def __init__(
        self, keeper: Keeper, measures: Measures, now: Callable[[], float], summarizer: Summarizer | None = None
    ) -> None:
        self.turns = Turns()
        self.summarizer = summarizer
        self.last_sent: Sent | None = None
        self._keeper = keeper
        self._measures = measures
        self._now = now

    async def ask(self, client: AsyncClient, who: object, content: Any, pinned: bool, options: ChatOptions) -> Answer:
        """The answer, once it is in the conversation with its question."""
        check_options(options)
        await self.turns.take(who or asyncio.current_task())
        try:
            exchange = await self.ready(client, content, pinned, options)
            answer = await client.generate(exchange.sent.messages, **exchange.options)
            await self.settle(exchange, answer)
            return answer
        finally:
            self.turns.give()

    async def converse(
        self,
        client: AsyncClient,
        who: object,
        content: Any,
        pinned: bool,
        bounds: Mapping[str, Any],
        options: ChatOptions,
    ) -> Answer:
        """The answer after rounds of tools, once it is in the conversation with its question and all of them."""
        check_options(options)
        await self.turns.take(who or asyncio.current_task())
        try:
            exchange = await self.ready(client, content, pinned, options)
            loop = Steps(self, client, exchange, self._now)
            try:
                with self.turns.waiting_for():
                    answer = await loop.run(bounds)
            except BaseException:
                # What was answered is paid, although none of it is kept.
                if loop.answers:
                    with contextlib.suppress(PenstockError):
                        await self._aside(lambda: self._keeper.change(lambda state: _settled(state, (), loop.answers)))
                raise
            await self.settle(exchange, answer, loop)
            return answer
        finally:
            self.turns.give()

    async def ready(self, client: AsyncClient, content: Any, pinned: bool, options: ChatOptions) -> Exchange:
        """What is to be sent, for who has the turn. Raises `InputError`, `ContextTooLong`, `ConfigError`."""
        state = await self._aside(self._keeper.refresh)
        said: dict[str, Any] = {**options}
        model: Models = options.get("model") or state.settings.model
        question = question_of(content, said, state, model, at_s=self._now(), pinned=pinned)
        if question.new:
            check_order(state.messages, question.new[0])
        else:
            check_askable(state)
        model = model or said.get("model")
        if model is not None:
            said["model"] = model
        asked = Asked(model, client.contexts(model), read_options("chat", said).params)
        state, sent = await self.fit(client, state, question.new, asked)
        return Exchange(state, question.new, sent, said, asked, question.source)

    async def fit(
        self, client: AsyncClient, state: State, new: tuple[Message, ...], asked: Asked
    ) -> tuple[State, Sent]:
        """What has room of the state and of what is new, and the state, where a summary had to be written for it."""
        _, contexts, params = asked
        sent = window(state, new, contexts, self._measures, params)
        if sent.left_out and state.settings.compress == "summary":
            found = await _shorter(client, state, new, asked, self._measures, self.summarizer)
            if isinstance(found, str):
                sent = msgspec.structs.replace(sent, trouble=found)
            else:
                state = await self._aside(lambda: self._keeper.change(found.apply))
                sent = window(state, new, contexts, self._measures, params)
        self.last_sent = sent
        return state, sent

    async def settle(self, exchange: Exchange, answer: Answer, steps: Steps | None = None) -> None:
        """Keep the question and the answer, with the steps before it. Raises `NotKept`, which has the answer, when its
        store can't be written."""
        answer.prompt = exchange.source
        new = (answer_message(answer, self._now()),) if steps is None else steps.messages()
        answers = [answer] if steps is None else steps.answers
        try:
            await self._aside(
                lambda: self._keeper.change(lambda state: _settled(state, (*exchange.new, *new), answers))
            )
        except PenstockError as error:
            raise NotKept(f"the answer came, but could not be kept: {error}", answer) from error

    async def _aside(self, act: Callable[[], State]) -> State:
        """What may wait for a disk, in a thread. It is done even when who waits is cancelled: an answer that came is
        paid."""
        return act() if self._keeper.store is None else await asyncio.to_thread(act)


def check_options(options: Mapping[str, Any]) -> None:
    """Raises `TypeError` and `ConfigError` for what can't be said with a question."""
    read_options("chat", options)
    if options.get("system") is not None:
        raise ConfigError("system: said with the conversation, not with a question: conversation.system = ...")


def check_askable(state: State) -> None:
    """Raises `InputError` when there is nothing to answer as it stands."""
    if open_ := open_calls(state.messages):
        raise InputError(f"the tool call {open_[0]} has no result yet")
    if not state.messages or state.messages[-1].role not in ("user", "tool"):
        raise InputError("nothing to answer: ask(text), or add a user's message or a tool's result first")
