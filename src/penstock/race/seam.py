"""How two streams become one text: what is asked of the second, and what of it the caller already has. Pure."""

from __future__ import annotations

from typing import Any, Final, Protocol

import msgspec

from penstock.call import Attempt, Call
from penstock.errors import CallError, DeadlineExceeded, Unanswered

__all__ = ["Continuation", "Joint", "Repetition", "Unfit", "given_up", "none_left", "prefilled", "telling"]

_LEAST_TELLING: Final = 24
"""A continuation that begins with fewer characters of the answer's own beginning does so by chance."""

# The server would hold the continuation to the form of a whole answer.
_WHOLE_FORMS: Final = (
    "audio",
    "continue_final_message",
    "echo",
    "grammar",
    "guided_choice",
    "guided_grammar",
    "guided_json",
    "guided_regex",
    "json_schema",
    "structured_outputs",
    "suffix",
)
_MOST_TOKENS: Final = ("max_tokens", "max_completion_tokens")


class Unfit(Exception):
    """The second stream is no continuation of what the caller has; the text says how."""


class Joint(Protocol):
    """The beginning of a second stream, until it is known what of it is new."""

    @property
    def is_open(self) -> bool:
        """Everything from here on is new."""
        ...

    def take(self, text: str) -> str:
        """What of `text`, and of what was held back before it, the caller gets now. Raises `Unfit`."""
        ...

    def end(self) -> str:
        """What was held back, when the text is over. Raises `Unfit`."""
        ...


class Repetition:
    """The answer asked anew: it must begin with what the caller has, word for word, and that is cut off.

    White space in front of the first word may differ.
    """

    __slots__ = ("_at", "_begun", "_known", "is_open")

    def __init__(self, partial: str) -> None:
        self._known = partial.lstrip() or partial
        self._begun = not partial or partial.isspace()
        self._at = 0
        self.is_open = not partial

    @property
    def seen(self) -> str:
        """What was held back so far."""
        return self._known[: self._at]

    def take(self, text: str) -> str:
        if self.is_open:
            return text
        if not self._begun:
            text = text.lstrip()
            self._begun = bool(text)
        known, at = self._known, self._at
        alike = _alike(known, at, text)
        self._at = at + alike
        if self._at == len(known):
            self.is_open = True
            return text[alike:]
        if alike == len(text):
            return ""
        if known.isspace():
            self.is_open = True
            return text[alike:]
        raise Unfit(f"asked anew, the answer differs from character {self._at} on")

    def end(self) -> str:
        if not self.is_open:
            raise Unfit(f"asked anew, the answer ended after {self._at} characters")
        return ""


class Continuation:
    """The answer continued from its own beginning, which the provider may say again first.

    White space at the end of what the caller has was not sent (templates trim it) and is expected again. A provider
    that begins from scratch is recognised by the answer's own first characters, as many of them as occur nowhere else
    in it; when it then says something else than before, it didn't continue.
    """

    __slots__ = ("_at", "_core", "_gap", "_held", "_is_echo_over", "_lead", "_telling", "is_open")

    def __init__(self, partial: str) -> None:
        self._core = partial.strip()
        self._gap = partial[len(partial.rstrip()) :]
        length = telling(partial)
        self._telling = length or 0
        self._at = 0
        self._lead = ""
        self._held: list[str] = []
        self._is_echo_over = length is None
        self.is_open = False

    def take(self, text: str) -> str:
        if self.is_open:
            return text
        if not self._is_echo_over:
            if not self._at:
                text = self._lead + text
                said = text.lstrip()
                self._lead = text[: len(text) - len(said)]
                text = said
            return self._past_echo(text) if text else ""
        return self._past_gap("".join(self._held) + text, is_all=False)

    def end(self) -> str:
        if self.is_open:
            return ""
        if not self._is_echo_over and self._at >= self._telling:
            raise Unfit("asked to continue, the provider began again and ended sooner")
        return self._past_gap(self._lead + "".join(self._held), is_all=True)

    def _past_echo(self, text: str) -> str:
        alike = _alike(self._core, self._at, text)
        self._at += alike
        if self._at < len(self._core):
            self._held.append(text)
            if alike == len(text):
                return ""
            if self._at >= self._telling:
                raise Unfit(f"asked to continue, the provider began again and differs from character {self._at} on")
            text = self._lead + "".join(self._held)
        else:
            text = text[alike:]
        self._held.clear()
        self._lead = ""
        self._is_echo_over = True
        return self._past_gap(text, is_all=False)

    def _past_gap(self, text: str, *, is_all: bool) -> str:
        alike = _alike(self._gap, 0, text)
        if alike == len(text) < len(self._gap) and not is_all:
            self._held[:] = [text]
            return ""
        self.is_open = True
        self._held.clear()
        return text[alike:]


def telling(partial: str) -> int | None:
    """How many of the text's first characters say that it is being said again; None: no number of them does.

    At least 24, and so many that they don't occur a second time in the text.
    """
    core = partial.strip()
    length = _LEAST_TELLING
    while length <= len(core):
        if core.find(core[:length], 1) < 0:
            return length
        length += length // 2
    return None


def prefilled(call: Call, partial: str, *, pieces: int) -> Call | None:
    """The call that asks for the rest of an answer of which `partial` came in `pieces` deltas (about one a token).

    None when a continuation couldn't be told from a repetition, or when the request wants its answer in one piece:
    one of several choices, a form that the provider enforces, or one that already begins with an assistant's words.
    """
    body = call.body
    form = body.get("response_format")
    if telling(partial) is None or any(body.get(name) for name in _WHOLE_FORMS) or (body.get("n") or 1) != 1:
        return None
    if isinstance(form, dict) and form.get("type") not in (None, "text"):
        return None
    known = partial.rstrip()
    spent = pieces * len(known) // len(partial)
    changed: dict[str, Any] = {
        name: max(1, most - spent) for name in _MOST_TOKENS if type(most := body.get(name)) is int
    }
    if call.kind == "completion":
        if not isinstance(prompt := body.get("prompt"), str):
            return None
        changed["prompt"] = prompt + known
    else:
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages or not isinstance(messages[-1], dict):
            return None
        if messages[-1].get("role") == "assistant":
            return None
        changed["messages"] = [*messages, {"role": "assistant", "content": known}]
    return msgspec.structs.replace(call, body={**body, **changed}, prefill=True)


def given_up(attempts: tuple[Attempt, ...], why: Unfit) -> None:
    """Tell of attempts whose stream was closed that it was the race, for what the stream said."""
    for attempt in attempts:
        if attempt.outcome == "cancelled":
            attempt.error = str(why)


def none_left(ending: Unanswered, broken: CallError) -> str:
    """Why no other stream could go on after `broken`, without saying that error once more."""
    last = ending.last
    if last is not None and last is not broken:
        return str(last)
    return "the deadline passed" if isinstance(ending, DeadlineExceeded) else "nothing was left to try"


def _alike(known: str, at: int, text: str) -> int:
    """How many characters of `text` are those of `known` from `at` on."""
    if known.startswith(text, at):
        return len(text)
    most = min(len(text), len(known) - at)
    for place in range(most):
        if text[place] != known[at + place]:
            return place
    return most
