"""The end of a run in words."""

from __future__ import annotations

import shlex

from penstock.batch.display_words import amount, count, legible, money, number, span
from penstock.batch.outcome import Summary

__all__ = ["render_summary"]


def render_summary(summary: Summary, *, command: str | None = None) -> str:
    """What was answered, what not and why, where it all is, and how to go on; no line break at the end.

    `command` is how the run was started, which is also how it goes on; a run without a journal doesn't.
    """
    resume = command if summary.journal is not None else None
    lines = [_headline(summary)]
    rows = [
        ("failed", _failures(summary)),
        ("not asked", count(summary.remaining) if summary.remaining else ""),
        ("left out", _left_out(summary)),
        ("before", f"{count(summary.resumed)} done by earlier runs" if 0 < summary.resumed < summary.total else ""),
        ("equal rows", f"{count(summary.joined)} answered by another's answer" if summary.joined else ""),
        ("cache", _cached(summary)),
        ("answers", _endings(summary)),
        ("requests", _requests(summary)),
        ("tokens", _tokens(summary)),
        ("latency", _latency(summary)),
        ("answers in", legible(summary.output, 1000) if summary.output != "-" else ""),
        ("errors in", legible(summary.errors_file, 1000) if summary.errors_file else ""),
    ]
    lines += [f"  {name:<11}{text}" for name, text in rows if text]
    if summary.stopped is not None:
        lines.append(f"Stopped early: {legible(summary.stopped, 500)}.")
        if resume is not None:
            lines.append(f"What was answered is kept. To go on{_how(summary)}:\n  {_with_more(resume, summary)}")
    elif summary.failed and resume is not None and summary.failed > summary.skipped_bad:
        again = resume if "--retry-failed" in resume.split() else f"{resume} --retry-failed"
        lines.append(f"To ask the failed ones again:\n  {again}")
    return "\n".join(lines)


def _how(summary: Summary) -> str:
    if summary.exceeded == "total":
        return " with a higher budget"
    if summary.exceeded == "tag":
        return " with a higher per_tag"
    return " tomorrow (days are UTC), or with a higher per_day" if summary.exceeded == "day" else ""


def _with_more(command: str, summary: Summary) -> str:
    """The command with twice the budget, where that is what stopped it."""
    if summary.exceeded != "total" or summary.budget_usd is None:
        return command
    words, more = shlex.split(command), f"{2 * summary.budget_usd:.6g}"
    kept = [
        word
        for at, word in enumerate(words)
        if not word.startswith("--budget") and not (at and words[at - 1] == "--budget")
    ]
    return shlex.join([*kept, "--budget", more])


def _headline(summary: Summary) -> str:
    if summary.total == 0 and summary.stopped is None:
        return "Nothing to answer: the input has no requests"
    if summary.total == summary.answered == summary.resumed:
        return f"All {count(summary.total)} were answered before; nothing was asked"
    whole = "all" if summary.answered == summary.total else f"{count(summary.answered)} of"
    rate = f", {number(summary.requests_per_s)} a second" if summary.requests_per_s else ""
    return f"Answered {whole} {count(summary.total)} in {span(summary.elapsed_s)}{rate}"


def _cached(summary: Summary) -> str:
    hits = f"{count(summary.cached)} answered from it" if summary.cached else ""
    trouble = f"in trouble: {legible(summary.cache_trouble, 300)}" if summary.cache_trouble else ""
    return "; ".join(filter(None, (hits, trouble)))


def _left_out(summary: Summary) -> str:
    if summary.left_out == 0:
        return ""
    return f"{'the rest of the pipe' if summary.left_out is None else count(summary.left_out)} (--limit)"


def _failures(summary: Summary) -> str:
    if not summary.failed:
        return ""
    errors = dict(summary.errors)
    if summary.skipped_bad:
        errors.setdefault("invalid_input", summary.skipped_bad)
    most_first = sorted(errors.items(), key=lambda item: (-item[1], item[0]))
    told = ", ".join(f"{legible(code, 40)} {count(n)}" for code, n in most_first)
    return count(summary.failed) + (f": {told}" if told else "")


def _endings(summary: Summary) -> str:
    named = {"truncated (cut at the token limit)": summary.truncated, "filtered": summary.filtered}
    return ", ".join(f"{count(value)} {name}" for name, value in named.items() if value)


def _requests(summary: Summary) -> str:
    if not summary.attempts:
        return ""
    named = {"retries": summary.retries, "hedges": summary.hedges}
    told = ", ".join(f"{count(value)} {name}" for name, value in named.items() if value)
    return f"{count(summary.attempts)} sent" + (f", {told} among them" if told else "")


def _tokens(summary: Summary) -> str:
    cost = f", {money(summary.cost_usd)}" if summary.cost_usd is not None else ""
    if not (summary.input_tokens or summary.output_tokens):
        return cost.removeprefix(", ") if summary.cost_usd else ""
    return f"{amount(summary.input_tokens)} in, {amount(summary.output_tokens)} out{cost}"


def _latency(summary: Summary) -> str:
    if summary.latency_p50_s is None or summary.latency_p99_s is None:
        return ""
    return f"p50 {span(summary.latency_p50_s)}, p99 {span(summary.latency_p99_s)}"
