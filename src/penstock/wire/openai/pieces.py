"""The events that most of a stream is made of, by their exact shape: what doesn't fit is read in general.

Each names everything else that could stand there, so that nothing is passed over.
"""

from __future__ import annotations

from typing import Final, Generic, Literal, TypeVar

import msgspec

__all__ = ["decode_fragment", "decode_text", "decode_thought"]


_Delta = TypeVar("_Delta")


class _Bare(msgspec.Struct, gc=False, kw_only=True):
    """What none of these deltas has."""

    refusal: None = None
    function_call: None = None
    audio: None = None
    images: None = None
    annotations: None = None
    reasoning_details: None = None


class _TextDelta(_Bare, gc=False):
    content: str
    tool_calls: None = None
    reasoning_content: None = None
    reasoning: None = None


class _Function(msgspec.Struct, gc=False):
    arguments: str
    name: Literal[""] | None = None


class _Fragment(msgspec.Struct, gc=False):
    index: int
    function: _Function
    id: Literal[""] | None = None
    extra_content: None = None


class _FragmentDelta(_Bare, gc=False):
    tool_calls: tuple[_Fragment]
    content: Literal[""] | None = None
    reasoning_content: Literal[""] | None = None
    reasoning: Literal[""] | None = None


class _ThoughtDelta(_Bare, gc=False):
    reasoning_content: str | None = None
    reasoning: str | None = None
    content: Literal[""] | None = None
    tool_calls: None = None


class _Choice(msgspec.Struct, Generic[_Delta], gc=False):
    delta: _Delta
    index: Literal[0] = 0
    text: None = None
    finish_reason: None = None
    logprobs: None = None
    message: None = None
    usage: None = None
    error: None = None


class _Chunk(msgspec.Struct, Generic[_Delta], gc=False):
    choices: tuple[_Choice[_Delta]]
    usage: None = None
    x_groq: None = None
    citations: None = None
    search_results: None = None
    error: None = None


decode_text: Final = msgspec.json.Decoder(_Chunk[_TextDelta]).decode
"""A piece of the first choice's text. Raises `ValueError` for anything else."""

decode_fragment: Final = msgspec.json.Decoder(_Chunk[_FragmentDelta]).decode
"""A piece of the arguments of one of the first choice's calls. Raises `ValueError` for anything else."""

decode_thought: Final = msgspec.json.Decoder(_Chunk[_ThoughtDelta]).decode
"""A piece of the first choice's thoughts. Raises `ValueError` for anything else."""
