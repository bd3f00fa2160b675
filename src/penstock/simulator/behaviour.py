"""What happens to one request: pure, from the call, the model's behaviour, the time and a random source."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from penstock.call import Call, Choice, Completion, Finish, Message, Usage
from penstock.errors import CallError
from penstock.simulator.content import (
    CHARS_PER_TOKEN,
    Begun,
    begun_in,
    echo,
    ends_with_assistant,
    prompt_text,
    prompt_tokens,
    prompts_of,
    stretched,
    tokens_in,
    vector,
)
from penstock.simulator.distributions import draw
from penstock.simulator.example import example_of
from penstock.simulator.scenario import FAULTS, Behaviour, Fault

__all__ = ["Outcome", "decide", "input_tokens", "most_tokens", "pick_fault"]

_MAX_CHOICES: Final = 128
_MAX_OUTPUT_TOKENS: Final = 200_000


class Outcome(msgspec.Struct, kw_only=True):
    """The answer that was made, when it comes, and what goes wrong with it on the way."""

    completion: Completion
    first_token_s: float
    token_s: float
    """Between two tokens."""
    fault: Fault | None = None


def decide(call: Call, behaviour: Behaviour, *, digest: bytes, rng: random.Random, at_s: float, tries: int) -> Outcome:
    """What happens to `call` at `at_s` seconds, having been asked `tries` times before.

    The random source is read in one order whatever comes out, so that a seed gives one schedule. Raises `CallError`
    context_too_long, and bad_request for an answer to continue where that is refused.
    """
    read = input_tokens(call)
    if behaviour.prefill == "refuse" and ends_with_assistant(call.body):
        raise _not_continued()
    if behaviour.context_tokens is not None and read > behaviour.context_tokens:
        raise _too_long(read, behaviour.context_tokens)
    fault_roll, slow_roll = rng.random(), rng.random()
    first_token_s = draw(behaviour.ttft_s, rng)
    rate = None if behaviour.tokens_per_s is None else draw(behaviour.tokens_per_s, rng)
    length = None if behaviour.output_tokens is None else round(draw(behaviour.output_tokens, rng))
    fault = pick_fault(
        behaviour.faults, streamed=call.stream, prompt=_asked(call), at_s=at_s, tries=tries, roll=fault_roll
    )
    token_s = 0.0 if not rate else 1.0 / rate
    if behaviour.slow is not None and slow_roll < behaviour.slow.share:
        first_token_s *= behaviour.slow.factor
        token_s *= behaviour.slow.factor
    if call.kind == "embedding":
        completion = _embeddings(call, behaviour.dimensions, read)
        token_s = 0.0
    else:
        completion = _written(call, behaviour, digest=digest, read=read, length=length)
        if behaviour.reasoning_tokens is not None and call.kind == "chat":
            completion = _thought_over(completion, max(0, round(draw(behaviour.reasoning_tokens, rng))))
        begun = begun_in(call.body)
        if begun is not None:
            completion = _continued(completion, call, behaviour, begun=begun, length=length)
    return Outcome(completion=completion, first_token_s=first_token_s, token_s=token_s, fault=fault)


def pick_fault(
    faults: Sequence[Fault], *, streamed: bool, prompt: str, at_s: float, tries: int, roll: float
) -> Fault | None:
    """The fault that `roll` (0 to 1) falls on, among those that concern this request now.

    Their probabilities lie side by side, in order: each comes as often as it says while the sum is at most 1.
    """
    for fault in faults:
        kind = FAULTS[fault.fault]
        concerned = (
            (kind.streamed if streamed else kind.unary)
            and at_s >= fault.from_s
            and (fault.until_s is None or at_s < fault.until_s)
            and (fault.first_tries is None or tries < fault.first_tries)
            and (fault.prompt_contains is None or fault.prompt_contains in prompt)
        )
        if not concerned:
            continue
        if roll < fault.probability:
            return fault
        roll -= fault.probability
    return None


def input_tokens(call: Call) -> int:
    """What the prompt counts."""
    body = call.body
    if call.kind == "chat":
        return prompt_tokens(body.get("messages") or [])
    return max(1, sum(tokens_in(len(text)) for text in _prompts(call)))


def most_tokens(call: Call) -> int | None:
    """The tokens the request allows for each answer; None when it doesn't say."""
    most = call.body.get("max_completion_tokens") or call.body.get("max_tokens")
    return most if isinstance(most, int) and most > 0 else None


def _prompts(call: Call) -> list[str]:
    return prompts_of(call.body.get("prompt" if call.kind == "completion" else "input"))


def _asked(call: Call) -> str:
    return prompt_text(call.body.get("messages") or []) if call.kind == "chat" else "\n".join(_prompts(call))


def _too_long(read: int, context: int) -> CallError:
    return CallError(
        "context_too_long",
        f"This model's maximum context length is {context} tokens. However, your messages resulted in {read} tokens. "
        "Please reduce the length of the messages.",
        status=400,
        code="context_length_exceeded",
    )


def _not_continued() -> CallError:
    return CallError(
        "bad_request",
        "This model does not support assistant message prefill. The conversation must end with a user message.",
        status=400,
        code="invalid_request_error",
    )


def _continued(whole: Completion, call: Call, behaviour: Behaviour, *, begun: Begun, length: int | None) -> Completion:
    """What comes for an answer that was begun; the whole one, from its own beginning, when it was another."""
    text = _formatted(begun.body, begun.echo, length)
    if begun.text.startswith(text):
        # It was to be shorter this time: nothing is left to say.
        text = begun.text
    if len(whole.choices) != 1 or whole.finish == "tool_calls" or not text.startswith(begun.text):
        return whole
    known = 0 if behaviour.prefill == "restart" else len(begun.text)
    finish: Finish = "stop"
    most = most_tokens(call)
    if most is not None:
        # Tokens are counted from the answer's beginning, so that it is cut where the whole one is.
        end = (known // CHARS_PER_TOKEN + most) * CHARS_PER_TOKEN
        finish = "length" if end < len(text) else "stop"
        text = text[:end]
    said = text if behaviour.prefill == "echo" else text[known:]
    written = tokens_in(len(text) - known)
    choice = Choice({"role": "assistant", "content": said, "refusal": None}, finish, finish)
    read = 0 if whole.usage is None else whole.usage.input_tokens
    return msgspec.structs.replace(whole, choices=(choice,), usage=Usage(read, written))


def _embeddings(call: Call, dimensions: int, read: int) -> Completion:
    wanted = call.body.get("dimensions", call.body.get("output_dimension"))
    size = wanted if isinstance(wanted, int) and 1 <= wanted <= 65_536 else dimensions
    return Completion(
        kind="embedding",
        vectors=tuple(vector(text, size) for text in _prompts(call)),
        usage=Usage(input_tokens=read),
        model=call.model,
    )


def _written(call: Call, behaviour: Behaviour, *, digest: bytes, read: int, length: int | None) -> Completion:
    wanted = call.body.get("n")
    count = min(wanted, _MAX_CHOICES) if isinstance(wanted, int) and wanted > 0 else 1
    prompts = [_asked(call)] if call.kind == "chat" else _prompts(call)
    choices: list[Choice] = []
    written = 0
    for prompt in prompts:
        for _ in range(count):
            text = echo(digest, prompt, len(choices))
            choice, tokens = _choice(call, text, index=len(choices), length=length, calls=behaviour.tool_calls)
            choices.append(choice)
            written += tokens
    return Completion(kind=call.kind, choices=tuple(choices), usage=Usage(read, written), model=call.model)


def _thought_over(completion: Completion, tokens: int) -> Completion:
    """The same answer after thoughts of that many tokens, which each choice has of its own."""
    tokens = min(tokens, _MAX_OUTPUT_TOKENS)
    if not tokens or completion.usage is None:
        return completion
    choices = [
        msgspec.structs.replace(choice, message={**choice.message, "reasoning_content": stretched("Hm.", tokens)})
        for choice in completion.choices
    ]
    reasoning = tokens * len(choices)
    read, written = completion.usage.input_tokens, completion.usage.output_tokens
    usage = Usage(read, written + reasoning, reasoning_tokens=reasoning)
    return msgspec.structs.replace(completion, choices=tuple(choices), usage=usage)


def _choice(call: Call, text: str, *, index: int, length: int | None, calls: int) -> tuple[Choice, int]:
    """One answer and its tokens: tool calls when one is demanded, JSON when it was asked for, else the echo."""
    tools = _demanded_tools(call.body)
    if tools:
        wanted = [tools[number % len(tools)] for number in range(calls)]
        made = [
            (str(tool.get("name", "")), msgspec.json.encode(example_of(tool.get("parameters") or {}, text)).decode())
            for tool in wanted
        ]
        return Choice(_tool_message(made, index), "tool_calls", "tool_calls", index), tokens_in(
            sum(len(arguments) for _, arguments in made)
        )
    text = _formatted(call.body, text, length)
    finish: Finish = "stop"
    most = most_tokens(call)
    if most is not None and len(text) > most * CHARS_PER_TOKEN:
        text = text[: most * CHARS_PER_TOKEN]
        finish = "length"
    return Choice({"role": "assistant", "content": text, "refusal": None}, finish, finish, index), tokens_in(len(text))


def _formatted(body: dict[str, Any], text: str, length: int | None) -> str:
    wanted = body.get("response_format")
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind == "json_object":
        return msgspec.json.encode({"answer": text}).decode()
    if kind == "json_schema" and isinstance(wanted, dict):
        named = wanted.get("json_schema")
        schema = named.get("schema") if isinstance(named, dict) else None
        return msgspec.json.encode(example_of(schema or {}, text)).decode()
    return text if length is None else stretched(text, max(1, min(length, _MAX_OUTPUT_TOKENS)))


def _demanded_tools(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The functions that `tool_choice` demands one of: `required` means any, the first one first."""
    choice = body.get("tool_choice")
    tools = body.get("tools")
    if not isinstance(tools, list) or choice in (None, "auto", "none"):
        return []
    functions = [
        tool["function"] for tool in tools if isinstance(tool, dict) and isinstance(tool.get("function"), dict)
    ]
    if isinstance(choice, dict):
        named = choice.get("function")
        name = named.get("name") if isinstance(named, dict) else None
        functions = [function for function in functions if function.get("name") == name]
    return functions


def _tool_message(made: Sequence[tuple[str, str]], index: int) -> Message:
    calls = [
        {
            "id": f"call_sim_{index}" + (f"_{number}" if number else ""),
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }
        for number, (name, arguments) in enumerate(made)
    ]
    return {"role": "assistant", "content": None, "refusal": None, "tool_calls": calls}
