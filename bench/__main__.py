"""`make bench`: everything in one run, interleaved, medians of five; the client on one core, the simulator on another.

`--only WORD` takes the parts whose name contains the word: `import`, `throughput`, `flight`, `cache`, `race`,
`faults`, `tail`, `quota`, `batcher`, `outage`, `budget`, `simulated`, `decode`, `guards`,
`semantic`; or of `throughput` the subjects, such
as `wreq`. `--long` adds a run of a million requests and its resume (about ten minutes and 6 GB of disk); `--quick` is
one round of few requests, to see that it works. `--why` prints what went wrong, request by request.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median

from bench.batcher import batcher
from bench.cache import EQUAL, equal_calls, one_round
from bench.decode import decode
from bench.figures import Figure, figures, subjects_table, verdicts_table
from bench.guards.chapter import guards
from bench.long import memory, resume_s
from bench.machine import ROOT, cores, simulator
from bench.pages import into_pages
from bench.real.chapter import Chapter, Stage
from bench.real.faults import faults
from bench.real.quota import quota
from bench.real.tail import tail
from bench.samples import RACE_SUBJECTS, SUBJECTS, Failed, Sample, Subject, installed, sample
from bench.semantic import semantic
from bench.startup import STATEMENTS, import_s
from bench.virtual import VIRTUAL
from bench.work import Work, write_requests

__all__ = ["main"]

IN_FLIGHT, MANY_IN_FLIGHT = 200, 5_000
MANY_SUBJECTS = ("bare wreq", "penstock run")
CHAPTERS: dict[str, Callable[[Stage], Chapter]] = {"faults": faults, "tail": tail, "quota": quota, "batcher": batcher}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=40_000, help="requests a sample; slow peers get a share of it")
    parser.add_argument(
        "--only", action="append", default=[], metavar="WORD", help='such as "faults", "wreq", "import"'
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--long", action="store_true", help="memory and resume with --many requests")
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--why", action="store_true", help="print the attempts of what went wrong")
    parser.add_argument("--readme", action="store_true", help="put the tables into README.md and docs/benchmarks.md")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample")
    given = parser.parse_args()
    if given.quick:
        given.rounds, given.count = 1, 2_000
    return given


class Bench:
    """One run: what was asked for, and what was found so far."""

    def __init__(self, given: argparse.Namespace, folder: Path) -> None:
        self.given = given
        self.folder = folder
        self.log = folder / "bench.log"
        self.client_core, self.server_core = cores()
        self.samples: dict[str, list[Sample]] = defaultdict(list)
        self.imports: dict[str, list[float]] = defaultdict(list)
        self.figures: list[Figure] = []
        self.chapters: list[Chapter] = []
        self.broken: list[str] = []

    def wants(self, name: str) -> bool:
        return not self.given.only or any(word in name for word in self.given.only)

    def wanted(self, subjects: Sequence[Subject]) -> list[Subject]:
        """Those whose part, or who themselves, were asked for."""
        return [one for one in subjects if self.wants("throughput") or self.wants(one.name)]

    def take(self, label: str, subject: Subject, work: Work) -> None:
        try:
            taken = sample(subject, work, core=self.client_core, folder=self.folder)
        except Failed as error:
            self.say(f"{label}: {error}")
            self.samples.pop(label, None)
            raise
        self.samples[label].append(taken)
        self.say(f"{label}: {taken.per_s:,.0f}/s, {taken.cpu_us:,.0f} us")

    def say(self, line: str) -> None:
        sys.stderr.write(line + "\n")

    def rounds(self, url: str, subjects: Sequence[Subject]) -> None:
        """Every subject in every round, in the same order, so that a slow minute is slow for all."""
        work = Work(url, "fast", self.folder / "requests.jsonl", self.given.count, IN_FLIGHT)
        failed: set[str] = set()
        for _ in range(self.given.rounds):
            for subject in subjects:
                if subject.name in failed:
                    continue
                count = max(IN_FLIGHT, int(work.count * subject.share))
                try:
                    self.take(subject.name, subject, replace(work, count=count, file=self.requests(count)))
                except Failed:
                    failed.add(subject.name)

    def requests(self, count: int) -> Path:
        file = self.folder / f"requests-{count}.jsonl"
        if not file.exists():
            write_requests(file, count)
        return file

    def flight(self, url: str) -> None:
        count = max(2 * MANY_IN_FLIGHT, self.given.count * 2)
        for _ in range(self.given.rounds):
            for name in MANY_SUBJECTS:
                work = Work(url, "half", self.requests(count), count, MANY_IN_FLIGHT)
                self.take(f"{name}, 5,000 in flight", SUBJECTS[name], work)

    def cache(self, root: str) -> None:
        work = Work(f"{root}/openai/v1", "fast", self.requests(self.given.count), self.given.count, IN_FLIGHT)

        def take(label: str, taken: Sample) -> None:
            self.samples[label].append(taken)
            self.say(f"{label}: {taken.per_s:,.0f}/s, {taken.cpu_us:,.0f} us")

        for _ in range(self.given.rounds):
            one_round(work, core=self.client_core, folder=self.folder, take=take)
        requests = equal_calls(root, core=self.client_core, log=self.log)
        self.figures.append(Figure(f"{EQUAL:,} equal calls at once: requests", requests, None, 1, form="g"))

    def startup(self) -> None:
        for _ in range(max(5, self.given.rounds)):
            for name, statement in STATEMENTS.items():
                self.imports[name].append(import_s(statement, core=self.client_core, log=self.log))
        python, penstock, client, openai = (median(self.imports[name]) for name in STATEMENTS)
        # The names are imported lazily, so the first use of the client counts too.
        self.figures += [
            Figure("import penstock over bare Python, s", penstock - python, None, 0.1),
            Figure("the same and penstock.Client, s", client - python, None, 0.1),
            Figure("the same / import openai", (client - python) / (openai - python), None, 0.2),
        ]

    def long(self, url: str) -> None:
        work = Work(url, "fast", self.folder, 0, IN_FLIGHT)
        taken = memory(work, self.given.many, core=self.client_core, folder=self.folder)
        self.samples.update(taken)
        few, many = (one.peak_bytes for (one,) in taken.values())
        self.figures.append(Figure(f"peak memory: {self.given.many:,} requests / 10,000", many / few, None, 1.3))
        taken_s = resume_s(work, self.given.many, core=self.client_core, folder=self.folder)
        self.figures.append(
            Figure(f"resume with {self.given.many:,} answered: s to the first request", taken_s, None, 10)
        )

    def speed(self) -> None:
        """Everything that is measured in CPU and requests a second."""
        there = [one for one in self.wanted(list(SUBJECTS.values())) if installed(one, self.log)]
        if not (there or self.wants("race") or self.wants("flight") or self.wants("cache") or self.given.long):
            return
        with simulator(self.server_core, ROOT / "bench" / "scenario.toml", self.log) as root:
            url = f"{root}/openai/v1"
            self.rounds(url, there)
            if self.wants("flight"):
                self.flight(url)
            if self.wants("cache"):
                self.cache(root)
            if self.wants("race"):
                self.rounds(url, list(RACE_SUBJECTS.values()))
            if self.given.long:
                self.long(url)

    def real(self) -> None:
        """Everything that is measured in answers, a simulator for each part."""
        for name, play in CHAPTERS.items():
            if not self.wants(name):
                continue
            with simulator(self.server_core, ROOT / "bench" / "real" / "scenario.toml", self.log) as root:
                stage = Stage(root, self.client_core, self.folder, self.log, self.given.quick, self.say)
                try:
                    self.chapters.append(play(stage))
                except Failed as error:
                    self.say(f"{name}: {error}")
                    self.broken.append(name)

    def alone(self) -> None:
        """Everything that needs no simulator: in virtual time, or no time but the CPU's."""
        for name, play in {"decode": decode, "semantic": semantic, "guards": guards, **VIRTUAL}.items():
            if self.wants(name):
                try:
                    self.chapters.append(play(is_quick=self.given.quick))
                except Exception as error:
                    # What took a quarter of an hour before it is told all the same.
                    self.say(f"{name}: {type(error).__name__}: {error}")
                    self.broken.append(name)
                else:
                    self.say(f"{name}: done")

    def run(self) -> None:
        if self.wants("import"):
            self.startup()
        self.speed()
        self.figures[:0] = figures(self.samples)
        self.real()
        self.alone()

    def parts(self) -> dict[str, str]:
        """What readers see of each part, by the name that pages call it."""
        found = {}
        if self.samples or self.figures:
            where = f"Python {platform.python_version()}, {platform.machine()}, {platform.system()}"
            how = f"{self.given.rounds} rounds, {IN_FLIGHT} in flight, 1 KB prompts, no latency unless said; {where}"
            found["speed"] = "\n".join([how, "", *subjects_table(self.samples), "", *verdicts_table(self.figures)])
        for one in self.chapters:
            found[one.name] = "\n".join([one.about, "", *one.table, "", *verdicts_table(one.figures)])
        return found

    def all_figures(self) -> list[Figure]:
        return [*self.figures, *(figure for chapter in self.chapters for figure in chapter.figures)]

    def found(self) -> dict[str, object]:
        return {
            "python": platform.python_version(),
            "samples": {name: [asdict(one) for one in taken] for name, taken in self.samples.items()},
            "imports_s": dict(self.imports),
            "tables": {chapter.name: chapter.table for chapter in self.chapters},
            "figures": [{**asdict(one), "is_reached": one.is_reached} for one in self.all_figures()],
        }


def main() -> int:
    given = _arguments()
    # On the repository's disk: the usual temporary folder may be memory, where a journal's syncs cost nothing.
    (ROOT / "out").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "out") as folder:
        bench = Bench(given, Path(folder))
        try:
            bench.run()
        except Failed as error:
            sys.stderr.write(f"{error}\n")
            return 1
        if given.why:
            sys.stderr.write("\n".join(story for chapter in bench.chapters for story in chapter.stories) + "\n")
        sys.stdout.write("\n\n".join(bench.parts().values()) + "\n")
        if given.readme:
            # A part of the speed table would replace the whole of it.
            into_pages({name: text for name, text in bench.parts().items() if name != "speed" or not given.only})
        if given.json:
            given.json.write_text(json.dumps(bench.found(), indent=1))
        missed = bench.broken + [one.what for one in bench.all_figures() if not one.is_reached]
    if missed and not given.quick:
        sys.stderr.write(f"missed: {'; '.join(missed)}\n")
    return 1 if missed and not given.quick else 0


if __name__ == "__main__":
    sys.exit(main())
