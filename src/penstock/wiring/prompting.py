"""Targets that are asked in their own words: a route's template makes each attempt's body, and nothing else changes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from penstock.call import Call, Completion, Kind, Message, Reply, Usage
from penstock.config import Selection
from penstock.errors import CallError, InputError
from penstock.handler import Handler
from penstock.prompts import Prompt
from penstock.race import Bill, Breaker, Target
from penstock.wiring.target import LimitedTarget

__all__ = ["kept_apart", "prompt_text", "prompted", "reworded"]

_ABOUT_THE_REQUEST: Final = frozenset(("messages", "prompt", "system"))
"""Variables of every template; a request's own of these names are not seen."""

_ONLY_ELSEWHERE: Final[dict[Kind, tuple[str, ...]]] = {
    # What would be lost or mean something else, by the kind of request that a template makes of another.
    "completion": (
        *("tools", "functions", "response_format", "logprobs", "top_logprobs", "audio", "web_search_options"),
        *("prediction", "modalities"),
    ),
    "chat": ("suffix", "echo", "best_of", "logprobs"),
}
_WITHOUT_EFFECT: Final = ("parallel_tool_calls", "tool_choice", "reasoning_effort", "verbosity")
"""Of a chat: what a completion does without."""
_PLACE: Final[dict[Kind, str]] = {"chat": "messages", "completion": "prompt", "embedding": "input"}


def prompted(targets: Sequence[LimitedTarget], selection: Selection) -> Sequence[Target]:
    """The targets, those with a prompt of their own behind it."""
    own = _own(selection)
    if not own:
        return targets
    return [_Prompted(target, own[target.name]) if target.name in own else target for target in targets]


def kept_apart(inner: Handler, selection: Selection) -> Handler:
    """Above a cache: equal calls of a route share an answer only while its prompts and their variables are equal."""
    own = _own(selection)
    if not own:
        return inner
    hashes = sorted((target, prompt.hash) for target, prompt in own.items())
    used = sorted({name for prompt in own.values() for name in prompt.variables} - _ABOUT_THE_REQUEST)

    async def ask(call: Call) -> Reply:
        given = call.variables or {}
        form = [hashes, call.sample, {name: given[name] for name in used if name in given}]
        told = msgspec.json.encode(form, order="deterministic", enc_hook=str)
        sample = hashlib.blake2b(told, digest_size=16).hexdigest()
        return await inner(msgspec.structs.replace(call, sample=sample))

    return ask


def prompt_text(selection: Selection, target: str) -> str:
    """What `doctor --tree` says of a target's prompt; "" where it has none."""
    own = _own(selection).get(target)
    return f"asked by its own prompt ({own.type}), " if own is not None else ""


def _own(selection: Selection) -> dict[str, Prompt]:
    route = selection.route
    if route is None or not route.prompts:
        return {}
    # A route's targets stand as they were written, a selection's as they were understood.
    named = dict(zip(route.targets, map(str, selection.targets), strict=True))
    return {named[one.target]: one.prompt for one in route.prompts}


def reworded(call: Call, prompt: Prompt, target: str) -> Call:
    """The call as `prompt` words it. Pure. Raises `CallError` (`sent` False) when it can't be worded so."""
    if call.kind == "embedding":
        return call
    body = dict(call.body)
    messages, begun = _messages(call)
    made: Kind = prompt.type
    if made != call.kind:
        _check_kept(body, made, target)
    values = _values(call, messages, prompt, target)
    try:
        rendered = prompt.render(values)
    except InputError as error:
        raise _refused(target, error) from error
    body.pop(_PLACE[call.kind])
    if made == "chat":
        asked = [dict(message) for message in rendered.messages]
        body["messages"] = [*asked, begun] if begun is not None else asked
    else:
        body["prompt"] = rendered.text + (_text(begun, target) if begun is not None else "")
    settings = {name: value for name, value in rendered.settings.items() if name != "model"}
    return msgspec.structs.replace(call, kind=made, body={**settings, **body})


def _messages(call: Call) -> tuple[list[Message], Message | None]:
    """What was said, and the beginning of the answer where the call goes on with one."""
    if call.kind == "completion":
        return [{"role": "user", "content": call.body.get("prompt")}], None
    messages = list(call.body.get("messages") or ())
    return (messages[:-1], messages[-1]) if call.prefill and messages else (messages, None)


def _values(call: Call, messages: list[Message], prompt: Prompt, target: str) -> dict[str, Any]:
    given = {name: value for name, value in (call.variables or {}).items() if name in prompt.variables}
    if not _ABOUT_THE_REQUEST.isdisjoint(prompt.variables):
        said = [{"role": str(message.get("role")), "content": _text(message, target)} for message in messages]
        users = [one["content"] for one in said if one["role"] == "user"]
        systems = [one["content"] for one in said if one["role"] in ("system", "developer")]
        about = {"messages": said, "prompt": users[-1] if users else "", "system": "\n\n".join(systems)}
        given |= {name: value for name, value in about.items() if name in prompt.variables}
    missing = [name for name in prompt.required if name not in given]
    if missing:
        lacking = ", ".join(f'"{name}"' for name in missing)
        raise _refused(target, f"it needs {lacking}, and this request was made without: penstock.Prompt has variables")
    return given


def _text(message: Message, target: str) -> str:
    """A message's text. Raises `CallError` for what a template can't write."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if content is None and not message.get("tool_calls"):
        return ""
    if isinstance(content, list) and all(isinstance(part, dict) and part.get("type") == "text" for part in content):
        return "".join(str(part.get("text", "")) for part in content)
    raise _refused(target, "a message holds something other than text")


def _check_kept(body: dict[str, Any], made: Kind, target: str) -> None:
    """Refuse what the other kind of request can't say; take out what has no effect there."""
    if isinstance(form := body.get("response_format"), dict) and form.get("type") == "text":
        del body["response_format"]
    if body.get("modalities") == ["text"]:
        del body["modalities"]
    for name in _ONLY_ELSEWHERE[made]:
        if body.get(name) not in (None, False, []):
            raise _refused(target, f"{name} can't be said in a {'text completion' if made == 'completion' else 'chat'}")
        body.pop(name, None)
    if made == "completion":
        for name in _WITHOUT_EFFECT:
            body.pop(name, None)
        if (most := body.pop("max_completion_tokens", None)) is not None:
            body["max_tokens"] = most


def _refused(target: str, why: object) -> CallError:
    return CallError("bad_request", f"the route's prompt for it: {why}", target=target, sent=False)


def _as_asked(reply: Reply, kind: Kind) -> Reply:
    """The answer as one to the kind of request that the caller made."""
    if not isinstance(reply, Completion) or reply.kind == kind:
        return reply
    # The provider's own body is of the other kind, and nobody who asked for this one could read it.
    return msgspec.structs.replace(reply, kind=kind, raw=b"")


class _Prompted:
    """A target behind its own prompt: a `penstock.race.Target`. Limits and prices see what is really sent."""

    def __init__(self, target: LimitedTarget, prompt: Prompt) -> None:
        self.name = target.name
        self.breaker: Breaker = target.breaker
        self.latency = target.latency
        self.prefills = target.prefills or prompt.type == "completion"
        self.bill: Bill | None = _PromptedBill(target.bill, self._reworded) if target.bill is not None else None
        self.wait_s = target.wait_s
        self._target = target
        self._prompt = prompt
        self._call: Call | None = None
        self._made: Call | None = None

    def try_admit(self, call: Call, now_s: float) -> Any:
        return self._target.try_admit(self._reworded(call), now_s)

    async def admit(self, call: Call) -> Any:
        return await self._target.admit(self._reworded(call))

    async def send(self, call: Call, permit: Any) -> Reply:
        """One attempt in the target's own words. Raises `CallError`."""
        return _as_asked(await self._target.send(self._reworded(call), permit), call.kind)

    def _reworded(self, call: Call) -> Call:
        """Worded once for admission and sending, where nothing else comes between."""
        if call is not self._call or self._made is None:
            self._made = reworded(call, self._prompt, self.name)
            self._call = call
        return self._made

    def __repr__(self) -> str:
        return f"_Prompted({self.name!r})"


class _PromptedBill:
    def __init__(self, bill: Bill, reworded: Callable[[Call], Call]) -> None:
        self._bill = bill
        self._reworded = reworded

    def cost(self, call: Call, usage: Usage, model: str) -> float | None:
        return self._bill.cost(self._reworded(call), usage, model)

    def estimate(self, call: Call, output_tokens: int) -> float | None:
        return self._bill.estimate(self._reworded(call), output_tokens)
