"""The report: one file, harmless whatever the answers say, the same size for a thousand and a million."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.batch.outcome import Outcome
from penstock.batch.reader import RunInfo, Session
from penstock.batch.report import report_path, write_report
from penstock.batch.report_charts import latency_chart, share_bar, time_chart
from penstock.batch.report_digest import Digest, Latencies, Times

HOSTILE = "</title><script>alert(1)</script><img src=x onerror=alert(1)>\"'&\x1b[2J\u202e"
VOID = {"meta", "rect", "line", "br", "i"}


def outcome(index: int, **fields: Any) -> Outcome:
    given: dict[str, Any] = {
        "custom_id": f"id-{index}", "kind": "chat", "state": "answered", "target": "openai/m", "attempts": 1,
        "latency_s": 0.5, "at_s": 1000.0 + index * 0.01, "input_tokens": 10, "output_tokens": 20,
    }  # fmt: skip
    return Outcome(index=index, **{**given, **fields})


def failure(index: int, **fields: Any) -> Outcome:
    given = {"state": "failed", "status": "failed", "error_code": "timeout", "error_message": f"silent {index}"}
    return outcome(index, **{**given, "http_status": 0, "attempts": 3, **fields})


def info(**fields: Any) -> RunInfo:
    given: dict[str, Any] = {
        "id": "run", "created_s": 1000.0, "input": "in.jsonl", "output": "out/a.jsonl", "total": 10,
        "settings": {"models": ["openai/m"], "prompt": None, "system": None, "params": {}},
        "sessions": (Session(1000.0, 1060.0, None, 0),), "state": "finished",
    }  # fmt: skip
    return RunInfo(**{**given, **fields})


class Reader(HTMLParser):
    """Collects a page's tags and text, and checks that tags close as they opened."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def page(tmp_path: Path, run: RunInfo, outcomes: list[Outcome]) -> tuple[str, Reader]:
    path = tmp_path / "report.html"
    write_report(path, run, iter(outcomes), now_s=2000.0)
    html = path.read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader._open == []
    return html, reader


def test_the_page_tells_what_became_of_the_run(tmp_path: Path) -> None:
    outcomes = [
        outcome(0, cost_usd=0.25),
        outcome(1, status="truncated", attempts=2),
        failure(2),
        outcome(3, joined=True),
    ]
    _, reader = page(tmp_path, info(), outcomes)
    for part in (
        "a.jsonl finished", "answered 3 30 % of 10", "failed 1 25 %", "tokens 40 out; 20 in", "cost $0.25",
        "requests 7 sent; 3 beyond the first", "whole 2", "truncated 1", "not asked yet 6", "an equal row's answer 1",
        "timeout 1", "id-2 openai/m, 3 attempts silent 2", "openai/m 3 1", "at its end", "p99 0.5 s",
        "Answers and failures a second", "setting value",
    ):  # fmt: skip
        assert part in reader.text


def test_nothing_in_the_page_loads_or_runs_anything(tmp_path: Path) -> None:
    html, reader = page(tmp_path, info(), [outcome(0), failure(1)])
    assert not {"script", "link", "img", "iframe", "object", "embed", "form", "a", "base"} & set(reader.tags)
    names = {name for name, _ in reader.attributes}
    assert not {name for name in names if name.startswith("on")} | (names & {"href", "src", "style", "action"})
    assert "default-src 'none'" in html
    assert not re.search(r"url\(|@import|https?://|//[a-z]", html)


def test_hostile_values_are_text_and_nothing_else(tmp_path: Path) -> None:
    bad = failure(0, custom_id=HOSTILE, error_code=HOSTILE, error_message=HOSTILE, target=HOSTILE)
    settings = {"models": [HOSTILE], HOSTILE: HOSTILE, "params": {HOSTILE: [HOSTILE]}}
    run = info(
        input=HOSTILE,
        output=HOSTILE.replace("/", ""),
        settings=settings,
        sessions=(Session(1000.0, 1001.0, HOSTILE, 3),),
    )
    html, reader = page(tmp_path, run, [bad, outcome(1, target=HOSTILE)])
    assert not {"script", "img"} & set(reader.tags)
    assert "<script>alert(1)</script>" in reader.text
    assert "\x1b" not in html
    assert "\u202e" not in html


@given(st.text(), st.text(), st.text())
def test_any_text_keeps_the_page_well_formed(
    tmp_path_factory: pytest.TempPathFactory, one: str, two: str, three: str
) -> None:
    bad = failure(0, custom_id=one, error_code=two, error_message=three, target=f"openai/{one}")
    _, reader = page(tmp_path_factory.mktemp("page"), info(settings={one: two, two: [three]}), [bad])
    assert reader.tags.count("section") == 5


def test_prompts_are_not_told(tmp_path: Path) -> None:
    settings = {"prompt": "secret {{ text }}", "system": "be secret", "params": {"temperature": 0.5}, "models": []}
    html, reader = page(tmp_path, info(settings=settings), [outcome(0)])
    assert "secret" not in html
    assert "prompt given, 17 characters" in reader.text
    assert '"temperature":0.5' in reader.text


def test_a_run_without_outcomes_has_a_page(tmp_path: Path) -> None:
    _, reader = page(tmp_path, info(sessions=(), state="interrupted", total=None), [])
    assert "interrupted" in reader.text
    assert "svg" not in reader.tags


def test_a_page_exists_for_any_times_and_latencies(tmp_path: Path) -> None:
    odd = [outcome(0, latency_s=0.0, at_s=0.0), outcome(1, latency_s=1e5, at_s=1e9), outcome(2, latency_s=1e-9)]
    _, reader = page(tmp_path, info(), [*odd, outcome(3, cached=True, latency_s=0.0)])
    assert "from the cache 1" in reader.text


def test_a_report_replaces_the_one_before_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")

    def broken() -> Any:
        yield outcome(0)
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        write_report(path, info(), broken())
    assert path.read_text() == "old"


def test_a_report_is_beside_its_output() -> None:
    assert report_path(Path("out/a.jsonl")) == Path("out/a.jsonl.report.html")


# --- the digest


def test_examples_are_few_and_drawn_evenly_from_all() -> None:
    digest = Digest([1000.0], rng=Random(3))
    for index in range(10_000):
        digest.add(failure(index))
    (found,) = digest.errors.values()
    assert (found.count, len(found.examples)) == (10_000, 5)
    places = sorted(int(example.custom_id[3:]) for example in found.examples)
    assert places[0] < 6000
    assert places[-1] > 4000


def test_memory_is_bounded_whatever_comes() -> None:
    digest = Digest([float(start) for start in range(1000)], rng=Random(0))
    rng = Random(1)
    for index in range(20_000):
        digest.add(failure(index, error_code=f"code-{index}", error_message="x" * 5000, target=f"t/{index}"))
        digest.add(outcome(index, latency_s=rng.expovariate(0.1), at_s=rng.uniform(0, 1e8), target=f"t/{index}"))
    assert len(digest.errors) <= 41
    assert len(digest.targets) <= 61
    assert len(digest.times) <= 200
    assert all(len(part.answered) + len(part.failed) <= 1024 for part in digest.times)
    assert len(digest.latencies.buckets) < 1000
    assert digest.failed == sum(found.count for found in digest.errors.values()) == 20_000


def test_a_joined_row_counts_as_answered_and_costs_nothing() -> None:
    digest = Digest([1000.0], rng=Random(0))
    digest.add(outcome(0, cost_usd=1.0))
    digest.add(outcome(1, cost_usd=1.0, joined=True, attempts=0))
    assert (digest.answered, digest.joined, digest.cost_usd, digest.output_tokens) == (2, 1, 1.0, 20)
    assert (digest.latencies.total, digest.attempts, digest.sent_rows) == (1, 1, 1)


@given(st.lists(st.floats(0.0001, 5000), min_size=1), st.sampled_from([0.01, 0.5, 0.9, 0.99, 1.0]))
def test_percentiles_are_right_within_two_percent(seconds: list[float], share: float) -> None:
    latencies = Latencies()
    for value in seconds:
        latencies.add(value)
    exact = sorted(seconds)[max(0, -int(-share * len(seconds) // 1) - 1)]
    told = latencies.percentile(share)
    assert told is not None
    assert exact * 0.999 <= told <= exact * 1.0201


def test_no_latencies_have_no_percentile() -> None:
    assert Latencies().percentile(0.5) is None


@given(st.lists(st.tuples(st.floats(-10, 1e7), st.booleans()), min_size=1, max_size=60))
def test_times_lose_no_event_however_wide_they_get(events: list[tuple[float, bool]]) -> None:
    times = Times()
    for at_s, answered in events:
        times.add(at_s, answered=answered)
    assert times.answered.total() == sum(answered for _, answered in events)
    assert times.failed.total() == sum(not answered for _, answered in events)
    assert max([*times.answered, *times.failed]) < 512


def test_outcomes_are_placed_in_their_sessions() -> None:
    digest = Digest([1000.0, 5000.0], rng=Random(0))
    for at_s in (999.0, 1010.0, 4999.0, 5001.0):
        digest.add(outcome(0, at_s=at_s))
    assert [part.answered.total() for part in digest.times] == [3, 1]


# --- charts


def bars(svg: str) -> list[tuple[float, float, float, float]]:
    found = re.findall(r'<rect class="(?:good|bad)" x="(.+?)" y="(.+?)" width="(.+?)" height="(.+?)"', svg)
    return [(float(x), float(y), float(wide), float(high)) for x, y, wide, high in found]


@given(
    st.lists(st.lists(st.floats(0, 1e6), min_size=1, max_size=20), min_size=1, max_size=5),
    st.sampled_from([380, 880]),
)
def test_no_bar_leaves_the_drawing(sessions: list[list[float]], width: int) -> None:
    parts, latencies = [], Latencies()
    for events in sessions:
        part = Times()
        for at_s in events:
            part.add(at_s, answered=at_s > 1)
            latencies.add(at_s)
        parts.append(part)
    for svg in (time_chart(parts, width), latency_chart(latencies, width)):
        assert bars(svg)
        for x, y, wide, high in bars(svg):
            assert 40 <= x <= x + wide <= width
            assert 10 <= y <= y + high <= 180


def test_the_gap_between_sessions_is_cut_and_marked() -> None:
    first, second = Times(), Times()
    first.add(10.0, answered=True)
    second.add(10.0, answered=True)
    svg = time_chart([first, second], 880)
    assert svg.count('class="cut"') == 1
    assert "over 20 s" in svg


def test_the_share_bar_divides_its_whole_length() -> None:
    svg = share_bar([("a", 3, "good"), ("b", 0, "bad"), ("c", 1, "left")])
    assert [float(width) for width in re.findall(r'width="([\d.]+)"', svg)] == [75.0, 25.0]
    assert share_bar([("a", 0, "good")]) == ""


@pytest.mark.parametrize("whole_s", [0.05, 0.2, 0.7, 3.0, 38.0, 4000.0])
def test_no_two_marks_of_the_time_axis_say_the_same(whole_s: float) -> None:
    part = Times()
    part.add(whole_s, answered=True)
    told = re.findall(r'y="192"[^>]*>([^<]+)<', time_chart([part], 880))
    assert len(told) == 5
    assert len(set(told)) == 5
