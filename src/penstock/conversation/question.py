"""What is asked next: a text, a list of parts, or a `penstock.Prompt` with its variables."""

from __future__ import annotations

from typing import Any, NamedTuple

from penstock.call import PromptVersion
from penstock.client.prompting import rendered_of
from penstock.conversation.message import KEPT_ROLES, Message, new_message
from penstock.conversation.state import State
from penstock.errors import InputError
from penstock.wiring import Models

__all__ = ["Question", "question_of"]


class Question(NamedTuple):
    """What comes to a conversation before its answer."""

    new: tuple[Message, ...]
    """(): it is answered as it stands."""
    source: PromptVersion | None
    """Of a prompt: which one."""


def question_of(
    content: Any, said: dict[str, Any], state: State, model: Models, *, at_s: float, pinned: bool
) -> Question:
    """The question that `content` is. A prompt's settings come into `said`, the request's options, where those say
    nothing; its system message is the conversation's, which must begin with it.

    Raises `InputError` for a prompt that isn't one question, and for variables that don't fit.
    """
    rendered = rendered_of(content, said.pop("variables", None), model)
    if rendered is None:
        return Question(() if content is None else (new_message("user", content, at_s=at_s, pinned=pinned),), None)
    *before, last = rendered.messages or ({"role": "user", "content": rendered.text},)
    system = before.pop(0) if before and before[0]["role"] in KEPT_ROLES else None
    if before or last["role"] != "user":
        raise InputError(
            f"{rendered.source}: a conversation is asked one question, and this prompt has "
            f"{len(rendered.messages)} messages: add() those before the last, or generate() from it"
        )
    for name, value in rendered.settings.items():
        if name != "model" or model is None:
            said.setdefault(name, value)
    question = new_message("user", last["content"], at_s=at_s, pinned=pinned, metadata={"prompt": str(rendered.source)})
    head = () if system is None else _head(system["content"], rendered.source, state, at_s)
    return Question((*head, question), rendered.source)


def _head(text: str, source: PromptVersion, state: State, at_s: float) -> tuple[Message, ...]:
    """The prompt's system message where the conversation is still empty; () where it begins with the same."""
    if not state.messages:
        return (new_message("system", text, at_s=at_s),)
    first = state.messages[0]
    if first.role in KEPT_ROLES and first.text == text:
        return ()
    raise InputError(
        f"{source}: the conversation doesn't begin with this prompt's system message: set it with conversation.system"
    )
