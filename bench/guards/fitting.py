"""Fits the weights of the signs of an injection to the sets that detectors may be made with, never to the blind one,
and to real texts in which there is none.

`python -m bench.guards.fitting` tells how the rest carries over to each text that is left out, and to each strategy;
`--write` puts the weights of the whole into src/penstock/guards/injection.toml, with the bias at which a score of 0.5
gives the false alarms of `MOST_ALARMS` among texts that were left out. `--wrong` prints those that were wrong.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, log
from pathlib import Path
from random import Random

from bench.guards.drawn import injections
from bench.guards.ordinary import docstrings, documentation
from bench.guards.rates import injection_lines
from penstock.guards.disguises import variants
from penstock.guards.injection import BESIDE, Sign, Signs, signs, with_neighbours

__all__ = ["Case", "cases", "fitted", "left_out", "main"]

TABLE = Path(__file__).parents[2] / "src" / "penstock" / "guards" / "injection.toml"
THRESHOLD = 0.5
EPOCHS = 250
DECAY = 0.002
"""How much a weight costs: what is rare in the sets isn't learned by heart."""
CAUTION = 3.0
"""How many missed injections a false alarm weighs, on a text that was written to look like one."""
ORDINARY = 1.0
"""The same on a real text."""
MOST_ALARMS = 0.03
"""Of the texts that were written to look like an injection, the share that may be taken for one when left out."""
FOLDS = 10
_SORTS = ("+", "-", "documentation", "stdlib", "purelib")
_MOST_AGAINST = 3.0
"""What a sign that speaks against an injection takes from it at most."""
_LEAST_KNOWN = 3.2
"""What a wording that is known as a whole weighs at least."""
_FORMS = {"TOKEN", "SYSTEM_SAYS", "TAG", "SHELL", "CARRIES", "VERDICT", "CALLED"}


@dataclass(frozen=True, slots=True)
class Case:
    """A text of the sets: the signs of each of its sentences."""

    text: str
    sort: str
    is_injection: bool
    cost: float
    """What it costs to be wrong about it; a missed injection costs 1."""
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


def _case(table: Signs, text: str, sort: str, *, cost: float = 0.0) -> Case:
    """Of an injection unless it costs something to take it for one."""
    found = tuple(
        tuple(tuple(sorted(one)) for one in table.found(variant, hidden=number > 0))
        for number, variant in enumerate(variants(text))
    )
    return Case(text, sort, not cost, cost or 1.0, tuple(one for one in found if any(one)))


def cases() -> list[Case]:
    """Of the varied set, and of the tuning and the seen one."""
    table = signs()
    made = [_case(table, one.text, one.sort, cost=0 if one.is_positive else CAUTION) for one in injections("varied")]
    for half in ("tuning", "seen"):
        made += [_case(table, text, half, cost=0 if sign == "+" else CAUTION) for sign, text in injection_lines(half)]
    return made


def ordinary_cases() -> list[Case]:
    """Of real texts, by where they are from: `documentation` of this project, `stdlib` and `purelib`."""
    table = signs()
    real = {"documentation": documentation(), "stdlib": docstrings("stdlib"), "purelib": docstrings("purelib")}
    return [_case(table, text, f"{name} {file}", cost=ORDINARY) for name, texts in real.items() for file, text in texts]


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
    # Where there is no sign there is nothing to learn, and no score.
    made = [case for case in made if case.variants]
    rates = [1e-4] * (len(weights) + 1)
    for epoch in range(EPOCHS):
        pace = 0.03 * (1 - epoch / EPOCHS)
        slopes = [DECAY * (weight - was) for weight, was in zip(weights, before, strict=True)]
        bias_slope = 0.0
        for case in made:
            total, counts = case.strongest(weights)
            wrong = 1 / (1 + exp(-total - bias)) - case.is_injection
            wrong *= case.cost / len(made)
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


def _logit(share: float) -> float:
    return log(share / (1 - share))


def left_out(made: Sequence[Case], table: Signs, *, by: str) -> list[float]:
    """What each text adds up to, bias included, by weights that were fitted without it (`by="text"`) or without all of
    its sort (`by="sort"`); minus infinity where nothing was found."""
    sorts = {one: place for place, one in enumerate(sorted({(case.is_injection, case.sort) for case in made}))}
    drawn = Random(0)
    folds = [drawn.randrange(FOLDS) if by == "text" else sorts[case.is_injection, case.sort] % FOLDS for case in made]
    found = [-inf] * len(made)
    for fold in range(FOLDS):
        weights, bias = fitted([case for case, its in zip(made, folds, strict=True) if its != fold], table)
        for place, case in enumerate(made):
            if folds[place] == fold and (total := case.strongest(weights)[0]) > 0:
                found[place] = total + bias
    return found


def sort_of(case: Case) -> str:
    """`+` and `-` of the sets, or where a real text is from."""
    return "+" if case.is_injection else "-" if case.cost == CAUTION else case.sort.split()[0]


def shift_for(made: Sequence[Case], totals: Sequence[float], most: float = MOST_ALARMS) -> float:
    """How much the bias has to sink so that of the texts that only look like an injection no more than `most` reach the
    threshold."""
    alarms = sorted((total for case, total in zip(made, totals, strict=True) if sort_of(case) == "-"), reverse=True)
    return max(-5.0, alarms[int(most * len(alarms))] + 1e-6) - _logit(THRESHOLD)


def _print_curve(made: Sequence[Case], totals: Sequence[float], shift: float) -> None:
    print("threshold  missed  false alarms  documentation  stdlib  purelib")
    of = {name: [total for case, total in zip(made, totals, strict=True) if sort_of(case) == name] for name in _SORTS}
    for threshold in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8):
        hits = {name: sum(total >= _logit(threshold) + shift for total in of[name]) / len(of[name]) for name in _SORTS}
        print(f"{threshold:9}  {1 - hits['+']:6.1%}  " + "  ".join(f"{hits[name]:12.1%}" for name in _SORTS[1:]))


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
    parser.add_argument("--quick", action="store_true", help="tell the bias, leave nothing out")
    given = parser.parse_args()
    made, table = [*cases(), *ordinary_cases()], signs()
    if given.quick:
        print(fitted(made, table)[1])
        return
    totals = left_out(made, table, by="text")
    shift = shift_for(made, totals)
    print(f"each text left out; bias {-shift:+.2f}")
    _print_curve(made, totals, shift)
    if given.wrong:
        for case, total in zip(made, totals, strict=True):
            if (total - shift >= _logit(THRESHOLD)) != case.is_injection:
                print("   ", sort_of(case), case.sort, repr(case.text[:150]))
    print("each sort of text left out")
    _print_curve(made, left_out(made, table, by="sort"), shift)
    weights, bias = fitted(made, table)
    print("nothing left out")
    _print_curve(made, [_total(case, weights, bias) for case in made], shift)
    if given.write:
        _write(weights, bias - shift)


def _total(case: Case, weights: Sequence[float], bias: float) -> float:
    total = case.strongest(weights)[0]
    return total + bias if total > 0 else -inf


if __name__ == "__main__":
    main()
