"""The events that most of a stream is made of, by their exact shape: what doesn't fit is read in general.

Each names everything else that could stand there, so that nothing is passed over.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

__all__ = ["decode_fragment", "decode_text", "decode_thought"]


class _TextDelta(msgspec.Struct, gc=False):
    content: str
    tool_calls: None = None
    reasoning_content: None = None
    reasoning: None = None
    refusal: None = None
    function_call: None = None
    audio: None = None
    images: None = None
    annotations: None = None
    reasoning_details: None = None


class _TextChoice(msgspec.Struct, gc=False):
    delta: _TextDelta
    index: Literal[0] = 0
    text: None = None
    finish_reason: None = None
    logprobs: None = None
    message: None = None


class _TextChunk(msgspec.Struct, gc=False):
    choices: tuple[_TextChoice]
    usage: None = None
    x_groq: None = None
    citations: None = None
    search_results: None = None
    error: None = None


class _Function(msgspec.Struct, gc=False):
    arguments: str
    name: Literal[""] | None = None


class _Fragment(msgspec.Struct, gc=False):
    index: int
    function: _Function
    id: Literal[""] | None = None
    extra_content: None = None


class _FragmentDelta(msgspec.Struct, gc=False):
    tool_calls: tuple[_Fragment]
    content: Literal[""] | None = None
    reasoning_content: Literal[""] | None = None
    reasoning: Literal[""] | None = None
    refusal: None = None
    function_call: None = None
    audio: None = None
    images: None = None
    annotations: None = None
    reasoning_details: None = None


class _FragmentChoice(msgspec.Struct, gc=False):
    delta: _FragmentDelta
    index: Literal[0] = 0
    text: None = None
    finish_reason: None = None
    logprobs: None = None
    message: None = None


class _FragmentChunk(msgspec.Struct, gc=False):
    choices: tuple[_FragmentChoice]
    usage: None = None
    x_groq: None = None
    citations: None = None
    search_results: None = None
    error: None = None


class _ThoughtDelta(msgspec.Struct, gc=False):
    reasoning_content: str | None = None
    reasoning: str | None = None
    content: Literal[""] | None = None
    tool_calls: None = None
    refusal: None = None
    function_call: None = None
    audio: None = None
    images: None = None
    annotations: None = None
    reasoning_details: None = None


class _ThoughtChoice(msgspec.Struct, gc=False):
    delta: _ThoughtDelta
    index: Literal[0] = 0
    text: None = None
    finish_reason: None = None
    logprobs: None = None
    message: None = None


class _ThoughtChunk(msgspec.Struct, gc=False):
    choices: tuple[_ThoughtChoice]
    usage: None = None
    x_groq: None = None
    citations: None = None
    search_results: None = None
    error: None = None


decode_text: Final = msgspec.json.Decoder(_TextChunk).decode
"""A piece of the first choice's text. Raises `ValueError` for anything else."""

decode_fragment: Final = msgspec.json.Decoder(_FragmentChunk).decode
"""A piece of the arguments of one of the first choice's calls. Raises `ValueError` for anything else."""

decode_thought: Final = msgspec.json.Decoder(_ThoughtChunk).decode
"""A piece of the first choice's thoughts. Raises `ValueError` for anything else."""
