"""Fits the weights of the signs of an injection to the sets that detectors may be made with; never to the blind one.

`python -m bench.guards.fitting` tells how the rest carries over to each strategy that is left out; `--write` puts the
weights of the whole into src/penstock/guards/injection.toml. `--wrong` prints the texts that were wrong when left out.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from pathlib import Path

from bench.guards.drawn import injections
from bench.guards.rates import injection_lines
from penstock.guards.disguises import variants
from penstock.guards.injection import BESIDE, Sign, Signs, signs, with_neighbours

__all__ = ["Case", "cases", "fitted", "left_out", "main"]

TABLE = Path(__file__).parents[2] / "src" / "penstock" / "guards" / "injection.toml"
THRESHOLD = 0.5
EPOCHS = 250
DECAY = 0.002
"""How much a weight costs: what is rare in the sets isn't learned by heart."""
CAUTION = 2.2
"""How many missed injections a false alarm weighs."""
_MOST_AGAINST = 3.0
"""What a sign that speaks against an injection takes from it at most."""
_LEAST_KNOWN = 2.4
"""What a wording that is known as a whole weighs at least."""
_FORMS = {"TOKEN", "SYSTEM_SAYS", "TAG", "SHELL", "CARRIES", "VERDICT", "CALLED"}


@dataclass(frozen=True, slots=True)
class Case:
    """A text of the sets: the signs of each of its sentences."""

    text: str
    sort: str
    is_injection: bool
    variants: tuple[tuple[tuple[int, ...], ...], ...]

    def strongest(self, weights: Sequence[float]) -> tuple[float, dict[int, float]]:
        """The total of the strongest sentence of all variants, and how much each sign counts in it."""
        best, counts = -1e9, {}
        for sentences in self.variants:
            totals = [sum([weights[one] for one in found]) for found in sentences]
            for place, total in enumerate(with_neighbours(totals)):
                if total > best:
                    best, counts = total, dict.fromkeys(sentences[place], 1.0)
                    beside = [near for near in (place - 1, place + 1) if 0 <= near < len(totals) and totals[near] > 0]
                    if beside and totals[place] > 0:
                        for one in sentences[max(beside, key=totals.__getitem__)]:
                            counts[one] = counts.get(one, 0.0) + BESIDE
        return (best, counts) if self.variants else (0.0, {})


def _case(table: Signs, text: str, sort: str, *, is_injection: bool) -> Case:
    found = tuple(
        tuple(tuple(sorted(one)) for one in table.found(variant, hidden=number > 0))
        for number, variant in enumerate(variants(text))
    )
    return Case(text, sort, is_injection, tuple(one for one in found if any(one)))


def cases() -> list[Case]:
    """Of the varied set, and of the tuning and the seen one."""
    table = signs()
    made = [_case(table, one.text, one.sort, is_injection=one.is_positive) for one in injections("varied")]
    for half in ("tuning", "seen"):
        made += [_case(table, text, half, is_injection=sign == "+") for sign, text in injection_lines(half)]
    return made


def _is_known(sign: Sign, table: Signs) -> bool:
    known = sum(bit for name, bit in table.words.bits.items() if name.startswith("KNOWN_"))
    told = (table.words.bits["FENCE"], table.words.bits["NEW"])
    return any(group & known for group in sign.near) or {*told} == {*sign.near, *sign.around}


def _tells(sign: Sign, table: Signs) -> bool:
    """Whether the injection is spoken of, asked about or code, which takes more than a few words around it."""
    told = sum(table.words.bits[name] for name in ("DISCUSS", "HOWTO", "QUESTION", "CODE", "CODELIKE", "REMEMBER"))
    return any(group & told for group in (*sign.near, *sign.around))


def _before(sign: Sign, table: Signs) -> float:
    """What a sign weighs before any text was seen: more, the more it asks for."""
    if sign.name == "against":
        is_quoted = any(group & table.words.bits["QUOTED"] for group in sign.near) and _tells(sign, table)
        return -2.0 if is_quoted else -1.2 if _tells(sign, table) else -0.4
    if _is_known(sign, table):
        return _LEAST_KNOWN
    telling = _FORMS & {name for name, bit in table.words.bits.items() if any(group & bit for group in sign.near)}
    if telling and len(sign.near) + len(sign.around) == 1:
        return 1.2
    asked = len(sign.close) * 1.5 + len(sign.near) + len(sign.around)
    return 0.2 if asked <= 1 else min(1.0, 0.25 * asked)


def fitted(made: Sequence[Case], table: Signs) -> tuple[list[float], float]:
    """Weights and bias: logistic regression on each text's strongest sentence. A sign speaks for an injection or
    against one, as its name says, or is silent."""
    is_against = [sign.name == "against" for sign in table.signs]
    before = [_before(sign, table) for sign in table.signs]
    lost = [_MOST_AGAINST if sign.close or _tells(sign, table) else _MOST_AGAINST / 4 for sign in table.signs]
    is_known = [_is_known(sign, table) for sign in table.signs]
    weights = list(before)
    bias = -2.0
    rates = [1e-4] * (len(weights) + 1)
    for epoch in range(EPOCHS):
        pace = 0.03 * (1 - epoch / EPOCHS)
        slopes = [DECAY * (weight - was) for weight, was in zip(weights, before, strict=True)]
        bias_slope = 0.0
        for case in made:
            total, counts = case.strongest(weights)
            wrong = 1 / (1 + exp(-total - bias)) - case.is_injection
            wrong *= (1.0 if case.is_injection else CAUTION) / len(made)
            bias_slope += wrong
            for one, count in counts.items():
                slopes[one] += wrong * count
        for place, slope in enumerate((*slopes, bias_slope)):
            rates[place] = 0.95 * rates[place] + 0.05 * slope * slope
            step = pace * slope / rates[place] ** 0.5
            if place == len(weights):
                bias -= step
            elif is_against[place]:
                weights[place] = max(-lost[place], min(0.0, weights[place] - step))
            else:
                weights[place] = max(_LEAST_KNOWN if is_known[place] else 0.0, weights[place] - step)
    return weights, bias


def _is_hit(case: Case, weights: Sequence[float], bias: float) -> bool:
    total, _ = case.strongest(weights)
    return total > 0 and 1 / (1 + exp(-total - bias)) >= THRESHOLD


def left_out(made: Sequence[Case], table: Signs) -> dict[str, list[tuple[Case, bool]]]:
    """Each sort of text as it is judged by weights that were fitted without it, and whether it was a hit."""
    sorts = sorted({(case.is_injection, case.sort) for case in made})
    folds = [sorts[start::10] for start in range(10)]
    judged: dict[str, list[tuple[Case, bool]]] = {}
    for fold in folds:
        weights, bias = fitted([case for case in made if (case.is_injection, case.sort) not in fold], table)
        for case in made:
            if (case.is_injection, case.sort) in fold:
                name = f"{'+' if case.is_injection else '-'} {case.sort}"
                judged.setdefault(name, []).append((case, _is_hit(case, weights, bias)))
    return judged


def _write(weights: Sequence[float], bias: float) -> None:
    text = TABLE.read_text(encoding="utf-8")
    values = iter(weights)
    text = re.sub(r"^weight = .*$", lambda _: f"weight = {round(next(values), 2)}", text, flags=re.MULTILINE)
    TABLE.write_text(re.sub(r"^bias = .*$", f"bias = {round(bias, 2)}", text, count=1, flags=re.MULTILINE))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--wrong", action="store_true")
    parser.add_argument("--quick", action="store_true", help="without leaving anything out")
    given = parser.parse_args()
    made, table = cases(), signs()
    if not given.quick:
        sums = {"+": [0, 0], "-": [0, 0]}
        for name, judged in sorted(left_out(made, table).items()):
            bad = [case for case, is_hit in judged if is_hit != case.is_injection]
            print(f"{name:24} {len(bad):3} of {len(judged):3}")
            sums[name[0]][0] += len(bad)
            sums[name[0]][1] += len(judged)
            for case in bad if given.wrong else ():
                print("    ", repr(case.text[:150]))
        for sign, (bad_count, count) in sums.items():
            print(f"{'missed' if sign == '+' else 'false alarms'}: {bad_count} of {count}: {bad_count / count:.1%}")
    weights, bias = fitted(made, table)
    wrong = [case for case in made if _is_hit(case, weights, bias) != case.is_injection]
    print(
        f"fitted to all: {sum(case.is_injection for case in wrong)} missed, "
        f"{sum(not case.is_injection for case in wrong)} false alarms of {len(made)}"
    )
    if given.write:
        _write(weights, bias)


if __name__ == "__main__":
    main()
