"""How a provider behaves in a schedule: a scenario for each phase, and when nobody listens at its address."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from penstock.simulator.distributions import Lognormal
from penstock.simulator.scenario import Behaviour, Fault, FaultName, Limits, Scenario, Slow

__all__ = ["CALM_S", "MODELS", "Host", "draw_host"]

MODELS = ("one", "two")
CALM_S = 400.0
"""From this instant on every host answers, so that also who waits for ever comes to an end."""
_KEYS = ("sk-test-not-a-key-a", "sk-test-not-a-key-b", "sk-test-not-a-key-c")


@dataclass(frozen=True)
class Host:
    """One provider."""

    name: str
    phases: tuple[tuple[float, Scenario], ...]
    deaf: tuple[tuple[float, float], ...]
    """When connections are refused."""
    dialect: str
    """What it adds to a prompt before it answers: another dialect, another text. "" for none."""
    output_tokens: dict[str, int | None]
    """By model: the length of each answer; None for the echo of the prompt."""
    keys: tuple[str, ...]
    good_keys: tuple[str, ...]
    """Those of `keys` that are accepted and have credit, in every phase."""
    limits: dict[str, int]
    """What the configuration says of its limits."""
    is_limited: bool
    """There is a limit, or the configuration says so."""
    refuses_tokens: bool
    """It may say of a single request that it is too big for its limit."""
    lazy_close: bool
    """Closing a stream there takes a turn of the loop."""
    is_sound: bool
    """It was drawn without any trouble."""
    answers_within_s: float
    """How long an answer of a sound one takes at most."""

    def table(self) -> dict[str, Any]:
        table: dict[str, Any] = {"base_url": f"http://{self.name}.invalid/v1"}
        if self.keys:
            table["api_keys"] = list(self.keys)
        if self.limits:
            table["limits"] = self.limits
        return table

    def truth(self, model: str) -> Behaviour:
        """The behaviour that decides what an answer's text is."""
        return Behaviour(output_tokens=self.output_tokens[model])


@dataclass
class _Draft:
    """A host while it is drawn."""

    rng: random.Random
    behaviour: dict[str, Any] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    later: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    """Changes: from which instant, and what is otherwise then."""
    deaf: list[tuple[float, float]] = field(default_factory=list)
    keys: tuple[str, ...] = ()
    accepted: tuple[str, ...] | None = None
    out_of_quota: tuple[str, ...] = ()
    limits: dict[str, int] = field(default_factory=dict)

    def window(self) -> tuple[float, float]:
        """A stretch of trouble: all of the time, or a part of it."""
        rng = self.rng
        if rng.random() < 0.4:
            return 0.0, CALM_S
        start_s = rng.choice((0.0, 0.0, 0.5, 3.0, 10.0))
        return start_s, start_s + rng.choice((0.5, 2.0, 10.0, 60.0))

    def strike(self, name: FaultName, share: float, **settings: Any) -> None:
        start_s, end_s = self.window()
        self.faults.append(Fault(fault=name, probability=share, from_s=start_s, until_s=end_s, **settings))

    def part(self) -> float:
        return self.rng.choice((0.0, 0.1, 0.5, 0.9, 1.0))


def draw_host(rng: random.Random, name: str, *, trouble: float, moods: list[str] | None = None) -> Host:
    """A provider with `moods`, else up to two of them; `trouble` is the share of those that have any."""
    draft = _Draft(rng)
    draft.behaviour["ttft_s"] = rng.choice((0.0, 0.05, 0.2, 0.5, 1.0, Lognormal(median=0.5, sigma=0.5)))
    draft.behaviour["tokens_per_s"] = rng.choice((None, None, 20.0, 100.0))
    if rng.random() < 0.2:
        draft.keys = _KEYS[: rng.choice((1, 2, 3))]
    if moods is None:
        moods = rng.sample(sorted(_MOODS), rng.choice((1, 1, 2))) if rng.random() < trouble else []
    for mood in moods:
        _MOODS[mood](draft)
    lengths = {model: rng.choice((None, None, 6, 40)) for model in MODELS}
    accepted = draft.keys if draft.accepted is None else draft.accepted
    good = tuple(key for key in draft.keys if key in accepted and key not in draft.out_of_quota)
    limits = [draft.behaviour.get("limits"), *(change.get("limits") for _, change in draft.later)]
    return Host(
        name,
        phases=_phases(draft, lengths),
        deaf=tuple(draft.deaf),
        dialect=rng.choice(("", "", name)),
        output_tokens=lengths,
        keys=draft.keys,
        good_keys=good,
        limits=draft.limits,
        is_limited=bool(draft.limits) or any(limits),
        refuses_tokens="tpm" in draft.limits or any(limit is not None and limit.tpm is not None for limit in limits),
        lazy_close=rng.random() < 0.2,
        is_sound=not moods,
        answers_within_s=_longest_s(draft),
    )


def _longest_s(draft: _Draft) -> float:
    first_s = draft.behaviour["ttft_s"]
    rate = draft.behaviour["tokens_per_s"]
    # Tools are called with all of the prompt, whatever the length of answers, and some ask for two choices at once.
    tokens = 2 * 160
    return (first_s if isinstance(first_s, float) else 5.0) + (tokens / rate if rate else 0.0)


def _phases(draft: _Draft, lengths: dict[str, int | None]) -> tuple[tuple[float, Scenario], ...]:
    changes = [(0.0, {}), *sorted(draft.later, key=lambda change: change[0]), (CALM_S, {"limits": None, "slow": None})]
    now: dict[str, Any] = {**draft.behaviour, "faults": tuple(draft.faults)}
    phases = []
    for at_s, change in changes:
        now = {**now, **change}
        if at_s == CALM_S:
            # What is permanent by nature stays: a host that refuses a prompt for good doesn't change its mind.
            now["faults"] = tuple(fault for fault in draft.faults if fault.prompt_contains is not None)
            now |= {"ttft_s": 0.2, "tokens_per_s": None}
        else:
            now["faults"] = tuple(_shifted(fault, at_s) for fault in draft.faults)
        models = {model: Behaviour(**now, output_tokens=lengths[model]) for model in MODELS}
        phases.append(
            (
                at_s,
                Scenario(
                    keys=draft.accepted,
                    out_of_quota=draft.out_of_quota,
                    models={"*/one": models["one"], "*": models["two"]},
                ),
            )
        )
    return tuple(phases)


def _shifted(fault: Fault, by_s: float) -> Fault:
    """Each phase counts its seconds from its own start."""
    until_s = CALM_S if fault.until_s is None else fault.until_s
    return msgspec.structs.replace(fault, from_s=max(0.0, fault.from_s - by_s), until_s=max(0.0, until_s - by_s))


# -- what can be wrong with a host


def _out(draft: _Draft) -> None:
    rng = draft.rng
    retry_after_s = rng.choice((None, None, 1.0, 20.0))
    draft.strike("status", rng.choice((0.5, 1.0)), status=rng.choice((500, 502, 503, 504)), retry_after_s=retry_after_s)


def _flaky(draft: _Draft) -> None:
    rng = draft.rng
    kinds: list[FaultName] = ["reset", "close", "html", "error_in_200", "invalid_json", "empty_body", "empty_answer"]
    for name in rng.sample(kinds, 3):
        draft.strike(name, rng.choice((0.1, 0.3)))


def _silent(draft: _Draft) -> None:
    rng = draft.rng
    draft.strike("hang", rng.choice((0.1, 0.3, 1.0)))


def _cut(draft: _Draft) -> None:
    rng = draft.rng
    kinds: list[FaultName] = ["truncated_body", "reset_mid_body", "hang_mid_body", "malformed_event", "stream_error"]
    for name in rng.sample([*kinds, "cut_stream"], 2):
        draft.strike(name, rng.choice((0.2, 0.5, 1.0)), after=draft.part())
    if rng.random() < 0.3:
        draft.strike("no_done", 0.5)


def _dripping(draft: _Draft) -> None:
    draft.strike("slow_drip", draft.rng.choice((0.3, 1.0)), piece_bytes=64, interval_s=draft.rng.choice((0.05, 0.5)))


def _brown_out(draft: _Draft) -> None:
    rng = draft.rng
    start_s = rng.choice((0.5, 2.0, 5.0))
    slow_s = rng.choice((3.0, 10.0, 40.0))
    draft.later.append((start_s, {"ttft_s": slow_s}))
    draft.later.append((start_s + rng.choice((2.0, 20.0)), {"ttft_s": draft.behaviour["ttft_s"]}))


def _slow_tail(draft: _Draft) -> None:
    draft.behaviour["slow"] = Slow(share=draft.rng.choice((0.05, 0.3)), factor=draft.rng.choice((10.0, 40.0)))


def _flapping(draft: _Draft) -> None:
    period_s = draft.rng.choice((0.5, 2.0, 7.0))
    for turn in range(6):
        start_s = 2 * turn * period_s
        draft.faults.append(Fault(fault="status", status=503, from_s=start_s, until_s=start_s + period_s))


def _limited(draft: _Draft) -> None:
    rng = draft.rng

    def limits() -> Limits:
        return Limits(
            rpm=rng.choice((None, 20, 60, 300)),
            tpm=rng.choice((None, None, 600, 6000)),
            concurrency=rng.choice((None, None, 1, 4)),
            kind=rng.choice(("token_bucket", "fixed_window", "sliding_window")),
            window_s=rng.choice((1.0, 60.0)),
            burst=rng.choice((0.1, 1.0)),
            per=rng.choice(("key", "model")),
            charge=rng.choice(("reserved", "used")),
            headers=rng.random() < 0.5,
            retry_after=rng.random() < 0.7,
            concurrency_status=rng.choice((429, 503)),
        )

    draft.behaviour["limits"] = limits()
    for at_s in (4.0, 15.0):
        if rng.random() < 0.5:
            draft.later.append((at_s, {"limits": limits()}))


def _told_limits(draft: _Draft) -> None:
    rng = draft.rng
    wanted = {
        "rpm": rng.choice((0, 30, 600)),
        "tpm": rng.choice((0, 0, 500, 5000)),
        "concurrency": rng.choice((0, 1, 4)),
    }
    draft.limits = {name: value for name, value in wanted.items() if value}


def _refusing(draft: _Draft) -> None:
    rng = draft.rng
    share = rng.choice((0.5, 1.0))
    if rng.random() < 0.7:
        status = rng.choice((400, 404, 422))
        draft.faults.append(Fault(fault="status", probability=share, status=status, prompt_contains="poison"))
    if rng.random() < 0.3:
        draft.faults.append(Fault(fault="content_filter", prompt_contains="poison", after=draft.part()))
    if rng.random() < 0.3:
        draft.behaviour["context_tokens"] = 30


def _bad_keys(draft: _Draft) -> None:
    rng = draft.rng
    draft.keys = _KEYS[: rng.choice((1, 2, 3))]
    if rng.random() < 0.5:
        draft.accepted = tuple(key for key in draft.keys if rng.random() < 0.5)
    draft.out_of_quota = tuple(key for key in draft.keys if rng.random() < 0.4)


def _deaf(draft: _Draft) -> None:
    draft.deaf.append(draft.window())


_MOODS: dict[str, Callable[[_Draft], None]] = {
    "bad_keys": _bad_keys,
    "brown_out": _brown_out,
    "cut": _cut,
    "deaf": _deaf,
    "dripping": _dripping,
    "flaky": _flaky,
    "flapping": _flapping,
    "limited": _limited,
    "out": _out,
    "refusing": _refusing,
    "silent": _silent,
    "slow_tail": _slow_tail,
    "told_limits": _told_limits,
}
"""By name, so that a new one is one row."""
