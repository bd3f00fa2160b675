"""What outages cost and how fast traffic returns, by `bench.outage_sim`: `python -m bench.outages`."""

from __future__ import annotations

import argparse
import math

from bench.outage_sim import Fault, Figures, Outage, Scenario, simulate

__all__ = ["failing", "flapping", "main", "return_after_flaps_s", "total_outage"]


def total_outage(fault: Fault, *, targets: int = 3, callers: int = 200, rate_per_s: float = 0.0) -> Scenario:
    """Every target is down for 60 s."""
    who = f"{callers} in a loop" if callers else f"{rate_per_s:g}/s"
    return Scenario(
        f"all of {targets} down, {fault}, {who}",
        targets,
        tuple(Outage(place, 30.0, 90.0, fault) for place in range(targets)),
        callers=callers,
        rate_per_s=rate_per_s,
    )


def flapping(fault: Fault, *, callers: int = 200, rate_per_s: float = 0.0) -> Scenario:
    """The first of two targets is up for 30 s and down for 10 s, again and again."""
    outages = tuple(Outage(0, at_s, at_s + 10.0, fault) for at_s in range(30, 200, 40))
    who = f"{callers} in a loop" if callers else f"{rate_per_s:g}/s"
    return Scenario(
        f"flapping, {fault}, {who}", 2, outages, callers=callers, rate_per_s=rate_per_s, length_s=190.0, watch=(30, 40)
    )


def failing(share: float, fault: Fault, *, callers: int = 200, targets: int = 2) -> Scenario:
    """Every target fails a share of what it is asked."""
    outages = tuple(Outage(place, 0.0, math.inf, fault, share) for place in range(targets))
    name = f"all of {targets} fail {share:.0%}, {fault}, {callers} in a loop"
    return Scenario(name, targets, outages, callers=callers, length_s=20_000 / (callers + 20), watch=(1, 2))


def return_after_flaps_s(figures: Figures) -> list[int]:
    """For each recovery of `flapping` the seconds until the first target gets 90 % of its usual share of starts."""
    first, second = figures.starts
    found = []
    for at_s in range(40, 190, 40):
        shares = ((now_s, first[now_s] / max(1, first[now_s] + second[now_s])) for now_s in range(at_s, at_s + 30))
        found.append(next((now_s + 1 - at_s for now_s, share in shares if share >= 0.9), 999))
    return found


def _scenarios() -> list[Scenario]:
    faults: tuple[Fault, ...] = ("503", "refused", "hang")
    return [
        *(total_outage(fault, targets=targets) for fault in faults for targets in (1, 3)),
        *(total_outage(fault, callers=0, rate_per_s=rate) for fault in faults for rate in (10.0, 180.0)),
        *(flapping(fault) for fault in faults),
        *(flapping(fault, callers=0, rate_per_s=5.0) for fault in faults),
        *(failing(0.3, fault, callers=callers) for fault in ("503", "hang") for callers in (4, 200)),
        failing(0.3, "hang", targets=3),
    ]


def _line(scenario: Scenario, seeds: int) -> str:
    played = [simulate(scenario, seed) for seed in range(1, seeds + 1)]
    calls = sum(figures.answered + figures.gave_up for figures in played)
    cells = [f"{scenario.name:38}", f"answered {sum(figures.answered for figures in played) / calls:8.3%}"]
    cells.append(f"attempts {sum(figures.attempts for figures in played) / calls:5.2f}")
    if scenario.name.startswith("flapping"):
        cells.append(f"back after {max(max(return_after_flaps_s(figures)) for figures in played)} s")
    elif scenario.watch != (1, 2):
        cells.append(f"extra {max(figures.extra_share for figures in played):6.1%}")
        cells.append(f"back after {max(figures.return_s for figures in played):4.1f} s")
        cells.append(f"peak {max(f.peak for f in played)} (usually {max(f.usual_peak for f in played)}) in 0.1 s")
    cells.append(f"probes at once {max(figures.most_probes for figures in played)}")
    cells.append(f"opened {[sum(figures.opened[n] for figures in played) for n in range(scenario.targets)]}")
    return ", ".join(cells)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.outages", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="times to play each scenario; the worst is shown")
    parser.add_argument("--only", default="", metavar="WORD", help="scenarios whose name contains it")
    given = parser.parse_args()
    for scenario in _scenarios():
        if given.only in scenario.name:
            print(_line(scenario, given.seeds), flush=True)


if __name__ == "__main__":
    main()
