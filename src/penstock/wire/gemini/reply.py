"""From a 200's body to a completion, or to the reason why it isn't one: a 200 is not yet a success."""

from __future__ import annotations

import msgspec

from penstock.call import Choice, Completion, Event, Finish, Finished, TextDelta
from penstock.errors import CallError
from penstock.fold import fold
from penstock.http import WireReply
from penstock.wire.gemini.errors import blocked, broken, in_band, request_id_of
from penstock.wire.gemini.fault import fault_in, read_fault
from penstock.wire.gemini.reading import Voice
from penstock.wire.gemini.shapes import Candidate, Reply, decode_reply
from penstock.wire.gemini.words import created_of, finish_of, usage_of

__all__ = ["completion_in"]


def completion_in(reply: WireReply) -> Completion:
    """The chat completion in a 2xx.

    Raises `CallError`: `transport` for what is no JSON object or no answer, `empty` for one that says nothing,
    `content_filtered` for a prompt that was blocked, the error's own class when the body holds one, `server_error`
    when generation ended in an error.
    """
    try:
        said = decode_reply(reply.body)
    except ValueError as error:
        raise _no_json(reply, error) from error
    found = said.candidates
    if not found or said.error:
        raise _no_candidates(reply, said)
    plain = _plain(found[0]) if len(found) == 1 else None
    return Completion(
        choices=(plain,) if plain is not None else _choices(found, said, reply),
        usage=usage_of(said.usage_metadata),
        model=said.model_version or "",
        id=said.response_id or "",
        created=created_of(said.create_time),
        raw=reply.body,
        request_id=request_id_of(reply.headers),
    )


def _plain(said: Candidate) -> Choice | None:
    """The common case without events: one part of text, and the end."""
    parts = said.content.parts if said.content is not None else None
    if not parts or len(parts) != 1 or said.logprobs_result is not None or said.grounding_metadata is not None:
        return None
    part = parts[0]
    if not part.text or part.thought or part.thought_signature or part.part_metadata or part.function_call:
        return None
    finish, raw = finish_of(said.finish_reason, has_tool_calls=False)
    if finish == "error":
        return None
    return Choice({"role": "assistant", "content": part.text}, finish, raw, said.index or 0)


def _choices(found: list[Candidate], said: Reply, reply: WireReply) -> tuple[Choice, ...]:
    events: list[Event] = []
    voices: list[Voice] = []
    for place, candidate in enumerate(found):
        voice = Voice(candidate.index if candidate.index is not None else place)
        voice.take(candidate, said.response_id or "", events)
        unsaid: Finish = "tool_calls" if voice.tools else "unknown"
        events.append(Finished(voice.finish or unsaid, voice.finish_raw, voice.index))
        voices.append(voice)
    failed = next((voice for voice in voices if voice.has_failed), None)
    if failed is not None:
        why = f"generation ended with {failed.finish_raw!r}"
        if failed.finish_message:
            why = f"{why}: {failed.finish_message[:300]}"
        partial = "".join(one.text for one in events if isinstance(one, TextDelta) and one.choice == voices[0].index)
        raise broken(reply, why, "server_error", partial)
    if not any(voice.is_answer for voice in voices):
        raise broken(reply, "the answer holds no text and no function call", "empty")
    return fold(events).choices


def _no_json(reply: WireReply, cause: ValueError) -> CallError:
    body = reply.body.strip()
    if not body:
        return broken(reply, "the body is empty")
    if body[:1] == b"<":
        return broken(reply, f"{read_fault(body).message} instead of JSON")
    return _in_band(reply) or broken(reply, f"the body is no answer of Gemini's: {cause}")


def _no_candidates(reply: WireReply, said: Reply) -> CallError:
    found = _in_band(reply) or blocked(said.prompt_feedback, reply.body, reply.headers, status=reply.status)
    if found is not None:
        return found
    if said.candidates is not None or said.usage_metadata is not None or said.prompt_feedback is not None:
        return broken(reply, "the answer has no candidates", "empty")
    return broken(reply, "the body is JSON, but no answer")


def _in_band(reply: WireReply) -> CallError | None:
    try:
        whole = msgspec.json.decode(reply.body)
    except (ValueError, RecursionError):
        return None
    if fault_in(whole) is None:
        return None
    found = in_band(whole, reply.body, reply.headers)
    found.status = reply.status
    return found
