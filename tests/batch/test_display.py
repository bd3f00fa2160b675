"""What people see of a run: rates, lines, the live panel, the summary."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from typing import Any

import pytest
from rich.console import Console

from penstock.batch.display import PlainDisplay, open_display, plain_line, render_summary
from penstock.batch.display_live import LiveDisplay, panel
from penstock.batch.display_pace import Figures, Pace
from penstock.batch.display_words import amount, count, legible, money, number, share, span
from penstock.batch.outcome import Snapshot, Summary, TargetHealth


def snapshot(elapsed_s: float = 10.0, **fields: Any) -> Snapshot:
    given: dict[str, Any] = {"total": 1000, "done": 100, "failed": 0, "resumed": 0, "in_flight": 8, **fields}
    return Snapshot(elapsed_s=elapsed_s, **given)


def summary(**fields: Any) -> Summary:
    given: dict[str, Any] = {
        "output": "a.jsonl", "errors_file": None, "journal": "a.jsonl.penstock", "total": 10, "answered": 10,
        "failed": 0, "remaining": 0, "resumed": 0, "joined": 0, "skipped_bad": 0, "truncated": 0, "filtered": 0,
        "attempts": 10, "retries": 0, "hedges": 0, "input_tokens": 0, "output_tokens": 0, "cost_usd": None,
        "elapsed_s": 5.0, "requests_per_s": 2.0, "latency_p50_s": None, "latency_p99_s": None, "errors": {},
        "stopped": None, "exit_code": 0,
    }  # fmt: skip
    return Summary(**{**given, **fields})


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


# --- words


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (count(1234567), "1,234,567"),
        (number(0), "0"),
        (number(0.0423), "0.0423"),
        (number(0.0001), "<0.001"),
        (number(98.34), "98.3"),
        (number(99.97), "100"),
        (number(12345.6), "12,346"),
        (amount(950), "950"),
        (amount(999.8), "1k"),
        (amount(12_345), "12.3k"),
        (amount(4_560_000), "4.56M"),
        (amount(2e9), "2G"),
        (money(0), "$0.00"),
        (money(0.00001), "<$0.0001"),
        (money(0.0123), "$0.0123"),
        (money(1234.5), "$1,234.50"),
        (share(1, 100_000), "0.1 %"),
        (share(99_999, 100_000), "99.9 %"),
        (share(5, 5), "100 %"),
        (share(0, 5), "0 %"),
        (share(0, 0), "100 %"),
        (span(0), "0 s"),
        (span(0.0042), "4.2 ms"),
        (span(0.0142), "14 ms"),
        (span(0.42), "0.42 s"),
        (span(9.96), "10 s"),
        (span(59.6), "1 min 00 s"),
        (span(89), "1 min 29 s"),
        (span(7500), "2 h 05 min"),
        (span(273_600), "3 d 4 h"),
        (legible("a\x1b[31mb\r\nc\u202ed"), "a b c d"),
        (legible("x" * 300, 5), "xxxx…"),
    ],
)
def test_numbers_and_foreign_text_as_people_read_them(told: str, expected: str) -> None:
    assert told == expected


# --- pace


def test_the_pace_counts_this_session_only() -> None:
    figures = Pace().figures(snapshot(10.0, done=600, resumed=500, input_tokens=1000, output_tokens=50))
    assert figures == Figures(now=10.0, mean=10.0, input_tokens=100.0, output_tokens=5.0, eta_s=40.0)


def test_the_rate_now_follows_a_change_and_the_mean_remembers() -> None:
    pace = Pace()
    for second in range(1, 101):
        pace.figures(snapshot(float(second), done=second, total=10_000))
    for second in range(101, 131):
        figures = pace.figures(snapshot(float(second), done=100 + 20 * (second - 100), total=10_000))
    assert figures.now == pytest.approx(20.0)
    assert figures.mean == pytest.approx(700 / 130)
    assert figures.eta_s == pytest.approx(9300 / 20, rel=0.05)


def test_nothing_is_told_before_there_is_something_to_tell() -> None:
    assert Pace().figures(snapshot(0.0, done=0)) == Figures(None, None, None, None, None)
    assert Pace().figures(snapshot(5.0, done=0)).eta_s is None
    assert Pace().figures(snapshot(5.0, total=None)).eta_s is None
    assert Pace().figures(snapshot(5.0, done=1000)).eta_s == 0.0


def test_a_pause_keeps_an_estimate() -> None:
    pace = Pace()
    pace.figures(snapshot(10.0, done=100))
    figures = pace.figures(snapshot(100.0, done=100))
    assert figures.now == 0.0
    assert figures.eta_s == pytest.approx(900.0)


def test_the_pace_keeps_half_a_minute_of_points() -> None:
    pace = Pace()
    for tick in range(10_000):
        pace.figures(snapshot(tick * 0.1))
    assert len(pace._points) < 70


# --- plain


def test_a_plain_line_comes_every_ten_seconds() -> None:
    stream, clock = io.StringIO(), Hands()
    display = PlainDisplay(stream, clock)
    for tick in range(100):
        clock.now_s = 100.0 + tick * 0.25
        display.update(snapshot(tick * 0.25, done=tick))
    display.close()
    first, second = stream.getvalue().splitlines()
    assert first.startswith("10 s: 40/1,000 (4 %) done, 4 a second, 4 min 00 s left, in flight 8")
    assert second.startswith("20 s: 80/1,000 (8 %) done")


def test_the_beginning_of_a_stop_is_told_at_once_and_once() -> None:
    stream, clock = io.StringIO(), Hands()
    display = PlainDisplay(stream, clock)
    for _ in range(3):
        display.update(snapshot(1.0, stopping="Ctrl-C"))
    assert stream.getvalue().count("stopping: Ctrl-C") == 1


def test_a_plain_line_has_what_happened_and_leaves_out_what_did_not() -> None:
    shot = snapshot(
        75.0, total=None, failed=3, retries=1200, cost_usd=0.5, input_tokens=7500, output_tokens=75_000,
        targets={"openai/m": TargetHealth(frozen_s=2.5), "x/y": TargetHealth(), "z/w": TargetHealth(breaker="open")},
    )  # fmt: skip
    assert plain_line(shot, Pace().figures(shot)) == (
        "1 min 15 s: 100 done, 1.33 a second, tokens/s 100 in, 1k out, $0.50, in flight 8, failed 3, retries 1,200, "
        "openai/m waits 2.5 s, z/w is down"
    )


def test_a_closed_stderr_ends_no_run() -> None:
    stream, clock = io.StringIO(), Hands()
    display = PlainDisplay(stream, clock)
    stream.close()
    clock.now_s += 11
    display.update(snapshot())


# --- which display


def test_quiet_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    display = open_display(quiet=True, stream=stream)
    display.update(snapshot(stopping="Ctrl-C"))
    display.close()
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("stream", "term", "kind"),
    [(Terminal(), "xterm", LiveDisplay), (Terminal(), "dumb", PlainDisplay), (io.StringIO(), "xterm", PlainDisplay)],
)
def test_the_live_display_is_for_real_terminals(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, term: str, kind: type
) -> None:
    monkeypatch.setenv("TERM", term)
    assert type(open_display(quiet=False, stream=stream)) is kind


def test_rich_is_imported_for_terminals_only() -> None:
    code = "import sys, penstock.batch.display as d; d.open_display(quiet=False); sys.exit('rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, check=False).returncode == 0


# --- live


def drawn(shot: Snapshot, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(panel(shot, Pace().figures(shot), width))
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


BUSY = snapshot(
    60.0,
    total=10_000,
    done=2600,
    resumed=500,
    failed=3,
    in_flight=200,
    input_tokens=120_000,
    output_tokens=600_000,
    cost_usd=1.5,
    joined=40,
    retries=12,
    hedges=2,
    stopping="Ctrl-C",
    targets={
        "openai/gpt-4o-mini": TargetHealth(
            answered=2000, errors={"rate_limited": 7}, last_error="429\x1b[2J rate_limited", frozen_s=3.0
        ),
        **{f"other/{number}": TargetHealth() for number in range(8)},
    },
)


def test_the_panel_tells_the_whole_run() -> None:
    text = "\n".join(drawn(BUSY, 120))
    for part in (
        "2,600/10,000", "26 %", "1 min 00 s", "35 req/s (mean 35)", "tokens/s 2k in 10k out", "$1.50",
        "in flight 200", "failed 3", "retries 12", "hedges 2", "joined 40", "from before 500",
        "openai/gpt-4o-mini   2,000 answered   rate_limited 7   at its limit, 3 s to wait",
        "last error: 429  rate_limited", "and 3 more targets", "stopping: Ctrl-C; finishing 200 in flight; once more",
    ):  # fmt: skip
        assert part in text
    assert "ETA" not in text
    assert "ETA 1 min 40 s" in "\n".join(drawn(snapshot(10.0, done=100, total=1100), 120))


@pytest.mark.parametrize(
    ("breaker", "words"),
    [("open", "down, not asked"), ("half_open", "down, being tried"), ("ramping", "back, its traffic returns")],
)
def test_the_panel_tells_which_target_is_down(breaker: str, words: str) -> None:
    shot = snapshot(10.0, targets={"x/y": TargetHealth(answered=3, breaker=breaker)})
    assert f"x/y   3 answered   {words}" in "\n".join(drawn(shot, 80))


@pytest.mark.parametrize("width", [12, 20, 32, 44, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    lines = drawn(BUSY, width)
    assert max(map(len, lines)) <= width
    assert len(lines) <= 24 if width >= 20 else lines


def test_a_pipe_shows_what_is_done_without_a_bar() -> None:
    assert drawn(snapshot(30.0, total=None), 80)[0] == "100 done   30 s"


def test_the_live_display_draws_four_times_a_second_and_cleans_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream, clock = Terminal(), Hands()
    display = LiveDisplay(stream, clock)
    for tick in range(100):
        clock.now_s = 100.0 + tick * 0.01
        display.update(snapshot(tick * 0.01, done=tick))
    assert len(set(re.findall(r"\d+/1,000|\d+\x1b\[0m/1,000", stream.getvalue()))) == 4
    display.close()
    display.close()
    assert "\x1b[?25h" in stream.getvalue()


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    display = LiveDisplay(stream, Hands())
    display.update(BUSY)
    display.close()
    assert not re.search(r"\x1b\[[\d;]*3\d[;m]", stream.getvalue())


# --- the summary


def test_a_whole_run_is_told_in_a_few_lines() -> None:
    assert render_summary(summary(), command="penstock run x -o y") == (
        "Answered all 10 in 5 s, 2 a second\n  requests   10 sent\n  answers in a.jsonl"
    )


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        (
            summary(resumed=10),
            "All 10 were answered before; nothing was asked\n  requests   10 sent\n  answers in a.jsonl",
        ),
        (
            summary(total=0, answered=0, attempts=0),
            "Nothing to answer: the input has no requests\n  answers in a.jsonl",
        ),
        (summary(output="-"), "Answered all 10 in 5 s, 2 a second\n  requests   10 sent"),
        (
            summary(resumed=10, attempts=0, cost_usd=0.0),
            "All 10 were answered before; nothing was asked\n  answers in a.jsonl",
        ),
    ],
    ids=["all before", "empty input", "stdout", "with known prices"],
)
def test_nothing_new_is_told_as_that(ended: Summary, told: str) -> None:
    assert render_summary(ended) == told


def test_the_hint_says_retry_failed_once() -> None:
    failed = summary(answered=9, failed=1, errors={"timeout": 1})
    assert render_summary(failed, command="penstock run x -o y --retry-failed").count("--retry-failed") == 1


def test_a_run_with_everything_in_it() -> None:
    told = render_summary(
        summary(
            total=10_000, answered=9800, failed=3, remaining=197, resumed=500, joined=40, truncated=12, filtered=1,
            attempts=9340, retries=42, hedges=2, input_tokens=1_234_567, output_tokens=4_567_890, cost_usd=1.234,
            latency_p50_s=0.82, latency_p99_s=4.13, errors={"bad_request": 1, "timeout": 2}, stopped="Ctrl-C",
            errors_file="a.jsonl.errors.jsonl",
        ),
        command="penstock run x -o a.jsonl",
    )  # fmt: skip
    assert told.splitlines() == [
        "Answered 9,800 of 10,000 in 5 s, 2 a second",
        "  failed     3: timeout 2, bad_request 1",
        "  not asked  197",
        "  before     500 done by earlier runs",
        "  equal rows 40 answered by another's answer",
        "  answers    12 truncated (cut at the token limit), 1 filtered",
        "  requests   9,340 sent, 42 retries, 2 hedges among them",
        "  tokens     1.23M in, 4.57M out, $1.23",
        "  latency    p50 0.82 s, p99 4.1 s",
        "  answers in a.jsonl",
        "  errors in  a.jsonl.errors.jsonl",
        "Stopped early: Ctrl-C.",
        "What was answered is kept. To go on:",
        "  penstock run x -o a.jsonl",
    ]


def test_failed_requests_can_be_asked_again_and_bad_lines_not() -> None:
    hint = "To ask the failed ones again:\n  penstock run x -o y --retry-failed"
    failed = summary(answered=8, failed=2, skipped_bad=1, errors={"timeout": 1, "invalid_input": 1})
    assert render_summary(failed, command="penstock run x -o y").endswith(hint)
    failed.skipped_bad = 2
    assert "retry-failed" not in render_summary(failed, command="penstock run x -o y")


@pytest.mark.parametrize(
    ("bad", "errors", "told"),
    [
        (2, {}, "  failed     2: invalid_input 2"),
        (1, {"timeout": 1}, "  failed     2: invalid_input 1, timeout 1"),
        (0, {}, "  failed     2"),
    ],
)
def test_bad_lines_are_among_the_failed(bad: int, errors: dict[str, int], told: str) -> None:
    assert told in render_summary(summary(answered=8, failed=2, skipped_bad=bad, errors=errors)).splitlines()


def test_a_run_without_a_journal_gives_no_hint() -> None:
    stopped = summary(journal=None, stopped="SIGTERM", remaining=3, answered=7)
    assert render_summary(stopped, command="penstock run x -o -").endswith("Stopped early: SIGTERM.")


def test_a_line_that_stays_is_told_on_every_display_but_a_quiet_one() -> None:
    for stream in (io.StringIO(), Terminal()):
        for quiet in (False, True):
            open_display(quiet=quiet, stream=stream).say("SIGHUP: [no] markup")
        assert stream.getvalue().count("SIGHUP: [no] markup") == 1
