"""`penstock show`: one request's whole story."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from penstock.batch.reader import RunInfo
    from penstock.batch.story import Asked, Equals, State, Story

__all__ = ["command"]

_WIDTH = 14


@click.command("show")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.argument("custom_id", metavar="CUSTOM_ID")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
def command(run: Path, custom_id: str, *, as_json: bool) -> None:
    """One request's whole story: what was asked, what came of it. RUN is the path of its OUT or of its journal.

    Of a run with --samples, the id of a row lists its samples. What looks like a key is shown as [key].
    """
    from penstock.batch.reader import open_run
    from penstock.batch.story import samples_of, story_of
    from penstock.cli.status import out_of

    with open_run(run) as opened:
        info = opened.info
        samples = samples_of(opened, custom_id)
        story = None if samples else story_of(opened, custom_id)
    out = out_of(run, info)
    if as_json:
        _write_json({"run": str(out), **(_samples_told(custom_id, samples) if story is None else _told(story))})
        return
    for line in _samples_lines(custom_id, samples) if story is None else _lines(out, info, story):
        click.echo(_legible(line))


def _write_json(told: dict[str, Any]) -> None:
    import msgspec

    click.echo(msgspec.json.encode(_without_keys(told)))


def _samples_told(custom_id: str, samples: list[tuple[str, State]]) -> dict[str, Any]:
    return {"custom_id": custom_id, "samples": [{"custom_id": name, "state": state} for name, state in samples]}


def _samples_lines(custom_id: str, samples: list[tuple[str, State]]) -> list[str]:
    width = max(len(name) for name, _ in samples)
    return [f"{custom_id}: {len(samples)} samples", *(f"  {name:<{width}}  {state}" for name, state in samples)]


def _told(story: Story) -> dict[str, Any]:
    import msgspec

    told: dict[str, Any] = msgspec.to_builtins(story)
    session = told.pop("session_told")
    told["session"] = None if session is None else {"number": story.session, **session}
    return told


def _without_keys(value: Any) -> Any:
    """The same with every text masked; a field that is named as a key holds one."""
    from penstock.observers.logging import masked

    if isinstance(value, str):
        return masked(value)
    if isinstance(value, dict):
        return {name: _field_without_keys(name, item) for name, item in value.items()}
    return [_without_keys(item) for item in value] if isinstance(value, list | tuple) else value


def _field_without_keys(name: str, value: Any) -> Any:
    from penstock.observers.logging import masked

    if isinstance(value, str) and (line := masked(f"{name}={value}")).startswith(f"{name}="):
        return line[len(name) + 1 :]
    return _without_keys(value)


def _legible(line: str) -> str:
    """A line from elsewhere with its indentation, and nothing in it that a terminal obeys; without keys."""
    from penstock.batch.display_words import legible
    from penstock.observers.logging import masked

    text = line.expandtabs(4)
    bare = text.lstrip(" ")
    return masked(" " * (len(text) - len(bare)) + legible(bare, max(1, len(bare))))


def _lines(out: Path, info: RunInfo, story: Story) -> list[str]:
    state = story.state
    if state == "not ended":
        state_told = (
            "not answered yet: waiting or in flight" if info.state == "running" else "not asked, or not to its end"
        )
    else:
        state_told = state if story.status in (None, "success", "failed") else f"{state}, {story.status}"
    lines = [f"{story.custom_id} of {out}: {state_told}"]
    rows = [*_outcome_rows(story), *_paid_rows(story), *_found_rows(story, info)]
    lines += [f"  {name:<{_WIDTH}}{text}" for name, text in rows if text]
    lines += _request_lines(story)
    if story.answer is not None:
        lines += ["", "Answer", *_indented(story.answer.text)]
    elif story.response is not None:
        lines += ["", "The provider's own", *_indented(_pretty(story.response))]
    return lines


def _outcome_rows(story: Story) -> list[tuple[str, str]]:
    error, finish = story.error, [word or "unknown" for word in story.answer.finish] if story.answer else []
    return [
        ("error", f"{error.code}: {error.message}" if error is not None else ""),
        ("http status", str(error.http_status or "") if error is not None else ""),
        ("target", story.target or ""),
        ("finish", ", ".join(finish)),
        ("requests sent", "" if story.attempts is None else str(story.attempts)),
        ("request id", story.request_id or ""),
    ]


def _paid_rows(story: Story) -> list[tuple[str, str]]:
    from penstock.batch.display_words import count, money, span

    usage = story.usage
    tokens = ""
    if usage is not None:
        tokens = f"{count(usage.input_tokens)} in, {count(usage.output_tokens)} out"
        more = {
            "cached": usage.cached_tokens,
            "reasoning": usage.reasoning_tokens,
            "cache write": usage.cache_write_tokens,
            "of it for an hour": usage.cache_write_1h_tokens,
            "of sound in": usage.audio_input_tokens,
            "of sound out": usage.audio_output_tokens,
        }
        tokens += "".join(f", {count(number)} {name}" for name, number in more.items() if number)
    is_own = bool(story.attempts)
    return [
        ("latency", span(story.latency_s) if story.latency_s is not None and is_own else ""),
        ("tokens", tokens),
        ("cost", ("unknown" if story.cost_usd is None else money(story.cost_usd)) if is_own else ""),
        ("cached", "from the cache, nothing was sent" if story.cached else ""),
        ("equal rows", _equals_told(story.equals, story.custom_id) if story.equals is not None else ""),
    ]


def _equals_told(equals: Equals, custom_id: str) -> str:
    names = ", ".join(equals.others)
    hidden = equals.total - len(equals.others) - len({equals.asked, custom_id} - {None})
    if equals.asked == custom_id:
        return f"its answer is also that of {names}" + (f" and {hidden} more" if hidden > 0 else "")
    whose = equals.asked or "a row that left the input"
    also = f"; so have {names}" + (f" and {hidden} more" if hidden > 0 else "") if names else ""
    return f"has the answer of {whose}, nothing was sent{also}"


def _found_rows(story: Story, info: RunInfo) -> list[tuple[str, str]]:
    from penstock.batch.display_words import clock_time

    session = f", session {story.session} of {len(info.sessions)}" if story.session is not None else ""
    return [
        ("prompt", str(story.prompt) if story.prompt is not None else ""),
        *(("guard", _finding(*guard)) for guard in ((one.guard, one) for one in story.guards)),
        ("ended", f"{clock_time(story.at_s)}{session}" if story.at_s is not None else ""),
        ("input", "its id has left it" if story.has_left else ""),
    ]


def _finding(name: str, one: Any) -> str:
    times = f" {one.count} times" if one.count > 1 else ""
    score = f", score {one.score:.2g}" if one.score is not None else ""
    detail = f" ({one.detail})" if one.detail else ""
    return f"{name}: {one.what} in {one.where}{times}, {one.done}{score}{detail}"


def _request_lines(story: Story) -> list[str]:
    asked: Asked | None = story.request
    if asked is None:
        return ["", "Request", f"  unknown: {story.request_missing}"]
    changed = ["  The input has changed since: this is not what was asked."] if asked.has_changed else []
    to = ", ".join(asked.models) or "the configuration's own model"
    return [
        "",
        f"Request (line {asked.line}) to {to}",
        *changed,
        f"  POST {asked.url}",
        *_indented(_pretty(asked.body)),
    ]


def _pretty(value: Any) -> str:
    import msgspec

    if isinstance(value, str):
        return value
    return msgspec.json.format(msgspec.json.encode(_without_keys(value)), indent=2).decode()


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in text.splitlines()] or ["  (empty)"]
