"""A run as one HTML file that needs nothing else: no script, no network, light and dark, phone and desk."""

from __future__ import annotations

import time
from collections.abc import Iterable
from html import escape
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from penstock.batch.display_words import amount, clock_time, count, legible, money, number, share, span
from penstock.batch.outcome import Outcome
from penstock.batch.reader import RunInfo, Session
from penstock.batch.report_charts import latency_chart, share_bar, time_chart
from penstock.batch.report_digest import Digest, ErrorClass, TargetFigures
from penstock.batch.report_page import page
from penstock.batch.sinks_file import whole_file

__all__ = ["report_path", "write_report"]

_WIDTHS = (880, 380)
_MOST_SESSIONS_SHOWN = 20
_HIDDEN_SETTINGS = ("prompt", "system")
"""A report is passed on; what was asked is not in it."""


def report_path(out: Path) -> Path:
    """Where the report of a run goes by itself: beside OUT."""
    return out.with_name(out.name + ".report.html")


def write_report(path: Path, info: RunInfo, outcomes: Iterable[Outcome], *, now_s: float | None = None) -> None:
    """Write the page, whole or not at all. `outcomes` may lack their bodies; memory doesn't grow with them.

    Errors are told with up to five examples each, drawn evenly and alike each time. Raises `OSError`.
    """
    digest = Digest([session.started_s for session in info.sessions], rng=Random(0))
    for outcome in outcomes:
        digest.add(outcome)
    html = _render(info, digest, time.time() if now_s is None else now_s)
    with whole_file(path) as file:
        file.write(html.encode("utf-8", "replace"))


def _render(info: RunInfo, digest: Digest, now_s: float) -> str:
    sections = [
        _cards(info, digest),
        _section("Answers over time", _charts(time_chart, digest.times), _TIME_NOTE)
        if digest.answered + digest.failed
        else "",
        _section("Latency", _charts(latency_chart, digest.latencies), _LATENCY_NOTE) if digest.latencies.total else "",
        _section("Errors", _errors(digest.errors)) if digest.errors else "",
        _section("Targets", _figures("target", digest.targets)) if digest.targets else "",
        _section("Prompts", _figures("prompt", digest.prompts)) if digest.prompts else "",
        _section("Tokens", _tokens(digest)) if digest.input_tokens or digest.output_tokens else "",
        _section("Sessions", _sessions(info)) if info.sessions else "",
        _section("Settings", _settings(info)),
    ]
    name = Path(info.output).name
    head = (
        f"<h1>{_text(name)}</h1>"
        f'<p class="state {escape(info.state)}"><span>{escape(info.state)}</span> '
        f"begun {clock_time(info.created_s)}, as of {clock_time(now_s, zone=True)}</p>"
    )
    return page(f"{legible(name)}: penstock run", head + "".join(sections))


_TIME_NOTE = "Answers and failures a second; a dashed line is a pause between sessions, which is cut."
_LATENCY_NOTE = "From a request's first send to its answer, waits and retries in between included. Logarithmic axis."


def _section(title: str, body: str, note: str = "") -> str:
    told = f'<p class="note">{escape(note)}</p>' if note else ""
    return f"<section><h2>{escape(title)}</h2>{body}{told}</section>"


def _charts(chart: Any, data: Any) -> str:
    return "".join(chart(data, width) for width in _WIDTHS)


def _text(value: object, most: int = 600) -> str:
    """Anything from elsewhere, legible and harmless."""
    return escape(legible(str(value), most))


# --- cards


def _cards(info: RunInfo, digest: Digest) -> str:
    done = digest.answered + digest.failed
    worked_s = sum(part.last_s for part in digest.times)
    cards = [
        ("answered", count(digest.answered), _of_total(info, digest), "good"),
        (
            "failed",
            count(digest.failed),
            share(digest.failed, done) if digest.failed else "none",
            "bad" if digest.failed else "",
        ),
        ("rate", number(done / worked_s) if worked_s > 0 else "–", f"a second, over {span(worked_s)}", ""),
    ]
    middle, late = digest.latencies.percentile(0.5), digest.latencies.percentile(0.99)
    if middle is not None and late is not None:
        cards.append(("latency", span(middle), f"median; p99 {span(late)}", ""))
    if digest.output_tokens or digest.input_tokens:
        cards.append(("tokens", amount(digest.output_tokens), f"out; {amount(digest.input_tokens)} in", ""))
    if digest.cost_usd is not None:
        each = digest.cost_usd / max(1, digest.answered)
        cards.append(("cost", money(digest.cost_usd), _of_each(digest, each), ""))
    beyond = max(0, digest.attempts - digest.sent_rows)
    cards.append(
        ("requests", count(digest.attempts), f"sent; {count(beyond)} beyond the first" if beyond else "sent", "")
    )
    told = "".join(
        f'<div class="card {kind}"><h3>{escape(name)}</h3><b>{escape(value)}</b><p>{escape(note)}</p></div>'
        for name, value, note, kind in cards
    )
    return f'<div class="cards">{told}</div>{_shares(info, digest)}'


def _of_each(digest: Digest, each: float) -> str:
    unknown = f"; {count(digest.unpriced)} without a known price" if digest.unpriced else ""
    return f"{money(each * 1000)} per 1,000 answers{unknown}"


def _of_total(info: RunInfo, digest: Digest) -> str:
    return f"{share(digest.answered, info.total)} of {count(info.total)}" if info.total is not None else "so far"


def _shares(info: RunInfo, digest: Digest) -> str:
    left = max(0, (info.total or 0) - digest.answered - digest.failed)
    joined = max(0, digest.joined)
    parts = [
        ("whole", digest.answered - digest.statuses["truncated"] - digest.statuses["filtered"], "good"),
        ("truncated", digest.statuses["truncated"], "part"),
        ("filtered", digest.statuses["filtered"], "kept"),
        ("failed", digest.failed, "bad"),
        ("not asked yet", left, "left"),
    ]
    legend = "".join(
        f'<li><i class="{colour}"></i>{escape(name)} <b>{count(many)}</b></li>' for name, many, colour in parts if many
    )
    if joined:
        legend += f"<li>by an equal row's answer <b>{count(joined)}</b></li>"
    if digest.cached:
        legend += f"<li>from the cache <b>{count(digest.cached)}</b></li>"
    return f'{share_bar(parts)}<ul class="legend">{legend}</ul>'


# --- sections


def _errors(errors: dict[str, ErrorClass]) -> str:
    told = []
    for rank, (code, found) in enumerate(sorted(errors.items(), key=lambda item: -item[1].count)):
        examples = "".join(
            f"<li><code>{_text(one.custom_id, 200)}</code>{_where(one.target, one.http_status, one.attempts)}"
            f"<p>{_text(one.message)}</p></li>"
            for one in found.examples
        )
        more = f" <small>{len(found.examples)} shown</small>" if found.count > len(found.examples) else ""
        told.append(
            f"<details{' open' if rank == 0 else ''}><summary><b>{_text(code, 60)}</b> {count(found.count)}{more}"
            f"</summary><ul class=examples>{examples}</ul></details>"
        )
    return "".join(told)


def _where(target: str, status: int, attempts: int) -> str:
    known = [
        _text(target, 120) if target else "",
        f"status {status}" if status else "",
        f"{attempts} attempts" if attempts > 1 else "",
    ]
    told = ", ".join(part for part in known if part)
    return f" <small>{told}</small>" if told else ""


def _figures(head: str, figures: dict[str, TargetFigures]) -> str:
    rows = [
        (
            _text(name, 120),
            count(one.answered),
            count(one.failed),
            _seconds(one.latencies.percentile(0.5)),
            _seconds(one.latencies.percentile(0.99)),
            amount(one.input_tokens),
            amount(one.output_tokens),
            money(one.cost_usd) if one.cost_usd is not None else "–",
        )
        for name, one in sorted(figures.items(), key=lambda item: -item[1].answered)
    ]
    return _table((head, "answered", "failed", "median", "p99", "tokens in", "out", "cost"), rows)


def _tokens(digest: Digest) -> str:
    asked = max(1, digest.answered - digest.joined)
    rows = [
        ("input", count(digest.input_tokens), number(digest.input_tokens / asked)),
        ("of which from the provider's cache", count(digest.cached_tokens), number(digest.cached_tokens / asked)),
        ("output", count(digest.output_tokens), number(digest.output_tokens / asked)),
        ("of which reasoning", count(digest.reasoning_tokens), number(digest.reasoning_tokens / asked)),
    ]
    note = (
        f'<p class="note">{count(digest.without_usage)} answers came without usage.</p>' if digest.without_usage else ""
    )
    return _table(("tokens", "all", "an answer"), [row for row in rows if row[1] != "0"]) + note


def _sessions(info: RunInfo) -> str:
    shown = info.sessions[-_MOST_SESSIONS_SHOWN:]
    rows = [
        (
            clock_time(one.started_s),
            span(one.ended_s - one.started_s) if one.ended_s is not None else "–",
            _ending(one, info),
        )
        for one in shown
    ]
    hidden = len(info.sessions) - len(shown)
    note = f'<p class="note">{count(hidden)} earlier ones are left out.</p>' if hidden else ""
    return _table(("started", "lasted", "ended"), rows, kind="words") + note


def _ending(session: Session, info: RunInfo) -> str:
    if session.ended_s is None:
        return (
            "runs"
            if info.state == "running" and session is info.sessions[-1]
            else "cut off: killed, or the machine went down"
        )
    return f"stopped: {_text(session.stopped, 200)}" if session.stopped else "at its end"


def _settings(info: RunInfo) -> str:
    rows = [("input", _text(info.input, 400)), ("output", _text(info.output, 400))]
    for key, value in info.settings.items():
        if value in (None, [], {}, ""):
            continue
        if key in _HIDDEN_SETTINGS:
            told = _version(value) if isinstance(value, dict) else f"given, {count(len(str(value)))} characters"
            rows.append((_text(key, 60), told))
        else:
            rows.append((_text(key, 60), f"<code>{_text(_said(value), 400)}</code>"))
    return _table(("setting", "value"), rows, kind="words")


def _version(plan: dict[str, Any]) -> str:
    """A library's prompt by its name and versions."""
    return _text(f"{plan.get('name')}@{', '.join(plan.get('arms', ()))}", 400)


def _said(value: object) -> str:
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ", ".join(value)
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _seconds(value: float | None) -> str:
    return "–" if value is None else span(value)


def _table(head: tuple[str, ...], rows: list[Any], *, kind: str = "figures") -> str:
    """Cells are HTML already; `kind` is a class of the page's style."""
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table class="{kind}"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'
