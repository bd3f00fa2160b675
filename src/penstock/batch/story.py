"""One request's whole story: what was asked, and what came of it, from a run's journal and its input."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any, Literal

import msgspec

from penstock.batch.display_words import legible
from penstock.batch.items import Shape
from penstock.batch.outcome import Outcome
from penstock.batch.prescan import canonical, digest_of
from penstock.batch.reader import Found, Run, RunInfo, Session
from penstock.batch.record import Meta, outcome_of
from penstock.batch.schema import ANSWERED, BAD, FAILED
from penstock.batch.sinks import answer_text
from penstock.batch.sources import BadRow, Row, Source, open_source
from penstock.batch.sources_form import URLS
from penstock.call import Finding, PromptVersion, Usage
from penstock.config.suggest import nearest
from penstock.errors import ConfigError, InputError
from penstock.schema import form_of

__all__ = ["Asked", "Equals", "Failure", "Said", "State", "Story", "samples_of", "story_of"]

State = Literal["answered", "failed", "bad line", "not ended"]
"""`not ended`: not asked yet, or in flight."""

_STATES: dict[int, State] = {ANSWERED: "answered", FAILED: "failed", BAD: "bad line"}
_URL_OF = {kind: url for url, kind in URLS.items()}
_MOST_COMPARED = 300
_MOST_EQUALS = 20


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The request, from the input as it is now and the run's settings."""

    line: int
    url: str
    models: list[str]
    """Targets in order of preference, or one route."""
    body: dict[str, Any]
    has_changed: bool
    """The input has another body for this id than the one that was asked."""


class Said(msgspec.Struct, frozen=True):
    """An answer."""

    text: str
    finish: list[str | None]
    """Why it ended, in the provider's words put into OpenAI's; one for each choice."""


class Failure(msgspec.Struct, frozen=True):
    code: str
    message: str
    http_status: int | None


class Equals(msgspec.Struct, frozen=True):
    """Rows that share one answer."""

    asked: str | None
    """The row whose answer it is; None when that one left the input."""
    others: list[str]
    """The first of those that have it too."""
    total: int
    """How many have it, the asked one with them."""


class Story(msgspec.Struct, kw_only=True):
    """What is known of one request. Times are seconds, `at_s` and those of the session since 1970."""

    custom_id: str
    state: State
    has_left: bool = False
    """Its id isn't in the input any more."""
    request: Asked | None = None
    request_missing: str | None = None
    """Why the request can't be told."""
    answer: Said | None = None
    error: Failure | None = None
    status: str | None = None
    target: str | None = None
    attempts: int | None = None
    """Requests sent, refusals included."""
    latency_s: float | None = None
    at_s: float | None = None
    cost_usd: float | None = None
    usage: Usage | None = None
    request_id: str | None = None
    cached: bool = False
    equals: Equals | None = None
    prompt: PromptVersion | None = None
    guards: tuple[Finding, ...] = ()
    session: int | None = None
    """In which session of the run it ended, from 1."""
    session_told: Session | None = None
    response: Any = None
    """The answer's OpenAI object, or the provider's own error; a text where it is no JSON."""


def story_of(run: Run, custom_id: str) -> Story:
    """Everything about the request of this id. Raises `InputError` that names the nearest ids, `JournalError`."""
    info, found = run.info, run.find(custom_id)
    source, missing = _source(info)
    row: Row | BadRow | None = None
    if source is not None:
        try:
            row = _row(source, info, custom_id, found)
        except (ConfigError, InputError) as error:
            missing = str(error)
    if found is None:
        if row is None:
            raise InputError(_unknown(run, source, custom_id))
        story = Story(custom_id=custom_id, state="not ended")
    else:
        story = _told(run, info, found)
    if isinstance(row, Row):
        try:
            story.request = _asked(row, info, found)
        except ConfigError as error:
            missing = str(error)
    elif isinstance(row, BadRow):
        missing = f"line {row.line} is no request"
    if story.request is None:
        story.request_missing = missing or f"{info.input} doesn't have it any more"
    return story


def samples_of(run: Run, custom_id: str) -> list[tuple[str, State]]:
    """Id and state of each sample of this row; none where the id is one request's own, or nothing's."""
    if run.find(custom_id) is not None:
        return []
    info, prefix = run.info, f"{custom_id}#"
    told = {name: _STATES[state] for name, state in run.states(prefix) if name[len(prefix) :].isdecimal()}
    source, _ = _source(info)
    if info.samples > 1 and (told or (source is not None and _is_row(source, custom_id))):
        told = {**{f"{prefix}{number}": "not ended" for number in range(1, info.samples + 1)}, **told}
    return sorted(told.items(), key=lambda sample: int(sample[0][len(prefix) :]))


def _is_row(source: Source, custom_id: str) -> bool:
    try:
        return any(row.custom_id == custom_id for row in source.rows() if isinstance(row, Row))
    except (ConfigError, InputError):
        return False


def _source(info: RunInfo) -> tuple[Source | None, str | None]:
    """The input, or why there is none to look into."""
    if not info.is_command:
        return None, f"{info.input} asked it, and the journal keeps no requests"
    if info.input == "-":
        return None, "it came from a pipe, and the journal keeps no requests"
    try:
        source = open_source(info.input, prompt=info.settings.get("prompt"), id_column=info.id_column)
    except (ConfigError, InputError) as error:
        return None, str(error)
    return (source, None) if source.replayable else (None, f"{info.input} can be read only once")


def _row(source: Source, info: RunInfo, custom_id: str, found: Found | None) -> Row | BadRow | None:
    base, _, number = custom_id.rpartition("#")
    if info.samples == 1 or (found is not None and found.item.state == BAD):
        base = custom_id
    elif not number.isdecimal() or not 1 <= int(number) <= info.samples:
        return None
    if found is not None and not found.has_left:
        index = found.item.idx // info.samples
        row = next(source.rows(wanted=lambda at: at == index), None)
        if row is not None and (row.custom_id == base or found.item.state == BAD):
            return row
    return next((row for row in source.rows() if row.custom_id == base), None)


def _asked(row: Row, info: RunInfo, found: Found | None) -> Asked:
    settings = info.settings
    models = list(settings.get("models") or ())
    schema = settings.get("schema")
    shape = Shape(
        system=settings.get("system"),
        params=settings.get("params") or {},
        response_format=None if schema is None else form_of(schema, source="the run's schema").response_format,
    )
    return Asked(
        line=row.line,
        url=_URL_OF[row.kind],
        models=models or ([row.model] if row.model is not None else []),
        body=shape.body(row),
        has_changed=bool(
            found is not None and found.digest and digest_of(row.kind, canonical(row.body)) != found.digest
        ),
    )


def _told(run: Run, info: RunInfo, found: Found) -> Story:
    item = found.item
    outcome = outcome_of(item)
    meta = msgspec.json.decode(item.meta, type=Meta)
    is_answer = item.state == ANSWERED
    number = bisect_right([session.started_s for session in info.sessions], outcome.at_s)
    return Story(
        custom_id=item.custom_id,
        state=_STATES[item.state],
        has_left=found.has_left,
        answer=_said(outcome) if is_answer else None,
        error=None if is_answer else _failure(outcome),
        status=outcome.status,
        target=outcome.target or None,
        attempts=outcome.attempts,
        latency_s=outcome.latency_s,
        at_s=outcome.at_s,
        cost_usd=outcome.cost_usd,
        usage=meta.usage,
        request_id=item.request_id,
        cached=outcome.cached,
        equals=_equals(run, found) if is_answer else None,
        prompt=meta.prompt,
        guards=meta.guards,
        session=number or None,
        session_told=info.sessions[number - 1] if number else None,
        response=_json_or_text(outcome.body),
    )


def _failure(outcome: Outcome) -> Failure:
    return Failure(outcome.error_code or "unknown", outcome.error_message or "", outcome.http_status or None)


class _Choice(msgspec.Struct):
    finish_reason: str | None = None


class _Choices(msgspec.Struct):
    choices: list[_Choice] = []


def _said(outcome: Outcome) -> Said:
    try:
        choices = msgspec.json.decode(outcome.body, type=_Choices).choices
    except (msgspec.DecodeError, UnicodeDecodeError):
        choices = []
    return Said(answer_text(outcome.kind, outcome.body), [choice.finish_reason for choice in choices])


def _json_or_text(body: bytes) -> Any:
    if not body:
        return None
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body.decode("utf-8", "replace")


def _equals(run: Run, found: Found) -> Equals | None:
    sharing = run.of_body(found.body) if found.body is not None else []
    own = found.item.custom_id
    is_joined = msgspec.json.decode(found.item.meta, type=Meta).joined
    if not is_joined and len(sharing) < 2:
        return None
    asked = next((name for name, meta in sharing if not msgspec.json.decode(meta, type=Meta).joined), None)
    others = [name for name, _ in sharing if name not in (asked, own)]
    return Equals(asked, others[:_MOST_EQUALS], len(sharing))


def _unknown(run: Run, source: Source | None, custom_id: str) -> str:
    """What to say of an id that is none: those that look like it, else a few that there are."""
    ids = dict.fromkeys(heapq.nlargest(_MOST_COMPARED, _ids(run, source), key=_likeness_to(custom_id)))
    near = nearest(custom_id, ids)
    hint = "; did you mean " if near else "; its ids are such as " if ids else ""
    named = ", ".join(f'"{legible(name)}"' for name in near or list(ids)[:3])
    unread = "" if source is not None else "; without its input only those that have ended are known"
    return f'{run.journal}: no request "{custom_id}"{hint}{named}{"?" if near else ""}{unread if not near else ""}'


def _ids(run: Run, source: Source | None) -> Iterator[str]:
    yield from (name for name, _ in run.states())
    try:
        yield from (row.custom_id for row in (source.rows() if source is not None else ()) if isinstance(row, Row))
    except (ConfigError, InputError):
        return


def _likeness_to(custom_id: str) -> Callable[[str], int]:
    """How many characters an id begins and ends with as this one does: what is cheap enough to ask of each."""
    backwards = custom_id[::-1]
    return lambda name: _in_common(custom_id, name) + _in_common(backwards, name[::-1])


def _in_common(one: str, other: str) -> int:
    return next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), len(one))
