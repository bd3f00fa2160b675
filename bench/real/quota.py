"""`quota`: how much of an enforced limit is used, and how many refusals that takes, in the second minute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.figures import Figure
from bench.real.chapter import Chapter, Stage
from bench.real.party import LITELLM, LM_DELUGE, PENSTOCK, Client, Found, Guest, side_by_side
from bench.real.task import Task
from bench.samples import installed

__all__ = ["quota"]

RPM = 600
IN_FLIGHT = 50
FROM_S, TO_S, QUICK_FROM_S, QUICK_TO_S = 60.0, 120.0, 10.0, 20.0
LIMIT_S = 200.0
ANY_RPM = 100_000


@dataclass(frozen=True)
class Way:
    """A client that knows so much of the limit."""

    client: Client
    knows: str
    settings: dict[str, Any]
    target: str = "limited"
    least: float | None = None
    most_refusals: float | None = None


WAYS = (
    Way(PENSTOCK, "the limit", {"bulk": True, "limits": {"rpm": RPM}}, least=0.99, most_refusals=1),
    Way(PENSTOCK, "what headers tell", {"bulk": True}, "limited-told", least=0.98, most_refusals=2),
    Way(PENSTOCK, "nothing", {"bulk": True}, least=0.95, most_refusals=10),
    Way(
        LITELLM,
        "the limit",
        {
            "deployment": {"rpm": RPM},
            "router": {"num_retries": 5, "optional_pre_call_checks": ["enforce_model_rate_limits"]},
        },
    ),
    Way(LITELLM, "nothing", {"router": {"num_retries": 5}}),
    Way(LM_DELUGE, "the limit", {"max_requests_per_minute": RPM, "max_tokens_per_minute": 10**9}),
    Way(LM_DELUGE, "nothing", {"max_requests_per_minute": ANY_RPM, "max_tokens_per_minute": 10**9}),
)

ABOUT = (
    f"{RPM} requests a minute, a token bucket that holds 6 s of it, refusals with a Retry-After; {IN_FLIGHT} at a "
    "time; counted from the 61st to the 120th second."
)


def quota(stage: Stage) -> Chapter:
    chapter = Chapter("quota", ABOUT)
    chapter.table = [
        "| client | knows | quota used | refusals per 1,000 answers | questions given up |",
        "|---|---|--:|--:|--:|",
    ]
    ways = [way for way in WAYS if installed(way.client, stage.log)]
    guests = [_guest(stage, way, number) for number, way in enumerate(ways)]
    from_s, to_s = (QUICK_FROM_S, QUICK_TO_S) if stage.is_quick else (FROM_S, TO_S)
    party = side_by_side(guests, core=stage.core, folder=stage.folder, limit_s=LIMIT_S)
    for way, found in zip(ways, party, strict=True):
        used, refusals = _measured(found, from_s, to_s)
        given_up = found.whats.count("failed") / found.asked
        line = f"| {way.client.name} | {way.knows} | {used:.1%} | {refusals:,.1f} | {given_up:.0%} |"
        chapter.table.append(line)
        chapter.stories.append(f"{line}\n  {found.story()}\n  {_by_tens(found)}")
        stage.say(f"quota, {line}")
        if way.least is not None:
            what = f"quota used, knowing {way.knows}"
            chapter.figures.append(Figure(what, used, way.least, None, form=".1%"))
            chapter.figures.append(
                Figure(f"refusals per 1,000 answers, knowing {way.knows}", refusals, None, way.most_refusals)
            )
    return chapter


def _guest(stage: Stage, way: Way, number: int) -> Guest:
    task = Task(
        way.client.name,
        stage.root,
        f"sk-test-quota-{number}",
        (way.target,),
        0,
        IN_FLIGHT,
        deadline_s=60,
        seconds=(QUICK_TO_S if stage.is_quick else TO_S) + 1,
        settings=way.settings,
    )
    return Guest(f"{way.client.name}, knowing {way.knows}", way.client, task)


def _measured(found: Found, from_s: float, to_s: float) -> tuple[float, float]:
    """The share of the quota and the refusals per 1,000 answers, between two instants of the client's own run."""
    began_s = found.rows[0]["at_s"]
    statuses = [row["status"] for row in found.rows if from_s <= row["at_s"] - began_s < to_s]
    answers, refusals = statuses.count(200), statuses.count(429)
    return answers / (RPM * (to_s - from_s) / 60), 1000 * refusals / max(1, answers)


def _by_tens(found: Found) -> str:
    """Answers and refusals in each ten seconds."""
    began_s = found.rows[0]["at_s"]
    tens: dict[int, list[int]] = {}
    for row in found.rows:
        counts = tens.setdefault(int((row["at_s"] - began_s) // 10), [0, 0])
        counts[row["status"] != 200] += 1
    return "answers and refusals by tens of seconds: " + ", ".join(f"{a}+{r}" for _, (a, r) in sorted(tens.items()))
