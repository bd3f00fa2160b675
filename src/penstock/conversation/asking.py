"""What stands between a question and its answer: the window, the summary, the record of what was sent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from penstock.answer import Answer
from penstock.call import Message as Body
from penstock.client import AsyncClient, ChatOptions
from penstock.client.options import read_options
from penstock.conversation.context import UNKNOWN, Measures, Sent, fitted
from penstock.conversation.keeping import Keeper
from penstock.conversation.message import Message, Told, check_order, new_message, open_calls
from penstock.conversation.state import State, Summary
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

    new: tuple[Message, ...]
    """The question, where one was asked; () where the conversation goes on as it stands."""
    sent: Sent
    options: dict[str, Any]


def window(
    state: State,
    question: Message | None,
    contexts: Sequence[TargetContext],
    measures: Measures,
    params: Mapping[str, Any],
    *,
    share: float = 1.0,
) -> Sent:
    """What would be sent of the state and the question. Raises `ContextTooLong`."""
    messages = state.messages if question is None else (*state.messages, question)
    return fitted(
        messages,
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
    question: Message | None,
    contexts: Sequence[TargetContext],
    measures: Measures,
    params: Mapping[str, Any],
    model: Models,
    summarizer: Summarizer | None,
) -> Shortened | str:
    """A summary of what leaves the window, or why there is none."""
    full = window(state, question, contexts, measures, params)
    try:
        kept = window(state, question, contexts, measures, params, share=_AFTER_SUMMARY)
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


def _answer_message(answer: Answer, at_s: float) -> Message:
    """The answer as a message of the conversation."""
    body: Body = {"role": "assistant", "content": None, **answer.message}
    if body["content"] is None and not body.get("tool_calls"):
        body["content"] = ""
    return Message(body=body, at_s=at_s, told=Told.of(answer))


def _settled(state: State, new: tuple[Message, ...], answer: Answer) -> State:
    """The state with an exchange that came to its end."""
    after = state.with_messages(state.messages + new)
    return msgspec.structs.replace(after, spent=state.spent.plus(answer))


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

    async def ready(self, client: AsyncClient, content: Any, pinned: bool, options: ChatOptions) -> Exchange:
        """What is to be sent, for who has the turn. Raises `InputError`, `ContextTooLong`, `ConfigError`."""
        state = await self._aside(self._keeper.refresh)
        question = None if content is None else new_message("user", content, at_s=self._now(), pinned=pinned)
        check_askable(state, question)
        asked: dict[str, Any] = {**options}
        model: Models = options.get("model") or state.settings.model
        if model is not None:
            asked["model"] = model
        contexts = client.contexts(model)
        params = read_options("chat", options).params
        if state.settings.compress == "summary":
            sent = window(state, question, contexts, self._measures, params)
            if sent.left_out:
                found = await _shorter(
                    client, state, question, contexts, self._measures, params, model, self.summarizer
                )
                if isinstance(found, str):
                    sent = msgspec.structs.replace(sent, trouble=found)
                else:
                    state = await self._aside(lambda: self._keeper.change(found.apply))
                    sent = window(state, question, contexts, self._measures, params)
        else:
            sent = window(state, question, contexts, self._measures, params)
        self.last_sent = sent
        return Exchange(() if question is None else (question,), sent, asked)

    async def settle(self, exchange: Exchange, answer: Answer) -> None:
        """Keep the question and the answer. Raises `NotKept`, which has the answer, when its store can't be written."""
        new = (*exchange.new, _answer_message(answer, self._now()))
        try:
            await self._aside(lambda: self._keeper.change(lambda state: _settled(state, new, answer)))
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


def check_askable(state: State, question: Message | None) -> None:
    """Raises `InputError` when nothing can be asked now."""
    if question is not None:
        check_order(state.messages, question)
        return
    if open_ := open_calls(state.messages):
        raise InputError(f"the tool call {open_[0]} has no result yet")
    if not state.messages or state.messages[-1].role not in ("user", "tool"):
        raise InputError("nothing to answer: ask(text), or add a user's message or a tool's result first")
