"""What a conversation holds, and how it is changed without asking."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from penstock.client import AsyncClient, Client
from penstock.conversation.asking import Asker
from penstock.conversation.context import UNKNOWN, Measures, Sent
from penstock.conversation.keeping import Keeper
from penstock.conversation.message import KEPT_ROLES, Message, check_order, new_message
from penstock.conversation.settings import read_asked
from penstock.conversation.state import State, undone
from penstock.conversation.summary import Summarizer
from penstock.errors import ConfigError
from penstock.wiring import Models, TargetContext

__all__ = ["History"]


class History:
    """A conversation's messages and settings."""

    _client: Client | AsyncClient | None
    _now: Callable[[], float]

    def _hold(self, keeper: Keeper, summarizer: Summarizer | None) -> None:
        self._keeper = keeper
        self._measures = Measures()
        self._asker = Asker(keeper, self._measures, self._now, summarizer)

    # What was said.

    @property
    def name(self) -> str | None:
        """Under which it is kept in its store; None when it isn't."""
        return self._keeper.name

    @property
    def messages(self) -> tuple[Message, ...]:
        """Every message, the system prompt first, with its tokens as the first target counts them."""
        messages = self._keeper.state.messages
        counts = self._measures.of(self._contexts()[0].model).of(messages)
        return tuple(
            msgspec.structs.replace(message, tokens=tokens) for message, tokens in zip(messages, counts, strict=True)
        )

    @property
    def system(self) -> str | None:
        """The system prompt's text. Setting it replaces the prompt, None takes it away."""
        messages = self._keeper.state.messages
        return messages[0].text if messages and messages[0].role in KEPT_ROLES else None

    @system.setter
    def system(self, text: str | None) -> None:
        prompt = None if text is None else new_message("system", text, at_s=self._now())
        self._keeper.change(lambda state: state.with_system(prompt))

    @property
    def model(self) -> Models:
        """The target, targets or route that are asked; None for the client's. Setting it holds from the next question
        on, and raises `ConfigError` for an unknown one."""
        return self._keeper.state.settings.model

    @model.setter
    def model(self, model: Models) -> None:
        said = read_asked("model", model)
        if self._client is not None and said is not None:
            self._client.contexts(said)
        self._keeper.change(
            lambda state: msgspec.structs.replace(state, settings=msgspec.structs.replace(state.settings, model=said))
        )

    @property
    def last_sent(self) -> Sent | None:
        """What was sent with the last question; None before the first."""
        return self._asker.last_sent

    @property
    def summary(self) -> str | None:
        """What is sent in place of the oldest messages; None when there is no need."""
        found = self._keeper.state.summary
        return None if found is None else found.text

    @property
    def metadata(self) -> dict[str, Any]:
        """The caller's own words, given when it was made."""
        return dict(self._keeper.state.metadata)

    def __len__(self) -> int:
        return len(self._keeper.state.messages)

    def __repr__(self) -> str:
        return f"Conversation({self.name or 'unnamed'}, {len(self)} messages)"

    # Changing it.

    def add(
        self,
        role: str,
        content: Any = None,
        *,
        pinned: bool = False,
        metadata: Mapping[str, Any] | None = None,
        tool_calls: Sequence[Mapping[str, Any]] | None = None,
        tool_call_id: str | None = None,
        name: str | None = None,
    ) -> Message:
        """Add a message without asking. A tool's result names the call that it answers; what is no text becomes JSON.

        Raises `InputError` for a message that is none, or that can't stand there.
        """
        if role == "tool" and not isinstance(content, str | list):
            content = msgspec.json.encode(content).decode()
        fields: dict[str, Any] = {
            "tool_calls": None if tool_calls is None else [dict(call) for call in tool_calls],
            "tool_call_id": tool_call_id,
            "name": name,
        }
        message = new_message(
            role,
            content,
            at_s=self._now(),
            pinned=pinned,
            metadata=metadata,
            fields={key: value for key, value in fields.items() if value is not None},
        )

        def put(state: State) -> State:
            check_order(state.messages, message)
            return state.with_messages((*state.messages, message))

        self._keeper.change(put)
        return message

    def pin(self, index: int = -1) -> None:
        """Send that message always, whatever is left out; -1 is the last one. Raises `InputError`."""
        self._keeper.change(lambda state: state.with_pin(index, pinned=True))

    def unpin(self, index: int = -1) -> None:
        """Let that message go with its time again. Raises `InputError`."""
        self._keeper.change(lambda state: state.with_pin(index, pinned=False))

    def undo(self) -> tuple[Message, ...]:
        """Take the last question back, with all that came after it; what was taken. Raises `InputError`."""
        taken: list[tuple[Message, ...]] = []

        def back(state: State) -> State:
            kept = undone(state.messages)
            taken.append(tuple(m for m in state.messages if not any(m is other for other in kept)))
            return state.with_messages(kept)

        self._keeper.refresh()
        self._keeper.change(back)
        return taken[-1]

    def clear(self) -> None:
        """Take back everything but the system prompt and what is pinned."""
        self._keeper.refresh()
        self._keeper.change(
            lambda state: state.with_messages(tuple(message for message in state.messages if message.is_kept))
        )

    def _contexts(self) -> Sequence[TargetContext]:
        model = self._keeper.state.settings.model
        if self._client is not None:
            with contextlib.suppress(ConfigError):  # no model at all, as long as none is asked
                return self._client.contexts(model)
        return (msgspec.structs.replace(UNKNOWN, model=model if isinstance(model, str) else ""),)
