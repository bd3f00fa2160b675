"""What requests to one model would come to: tokens, dollars, and the time that its known limits take."""

from __future__ import annotations

from penstock.call import Call, Usage
from penstock.policies.limit import Limits
from penstock.wiring.estimate import Asked, most_output
from penstock.wiring.money import TargetBill

__all__ = ["Forecast"]


class Forecast:
    """One model's. `book` counts what is to be sent, `shortest_s` says how long that takes at least."""

    def __init__(self, bill: TargetBill, limits: Limits, *, keys: int) -> None:
        self._bill = bill
        self._limits = limits
        self._keys = max(1, keys)
        self.target = bill.name
        self._requests = 0
        self._given = self._written = self._charged = 0.0

    @property
    def error(self) -> float:
        """Of the input's tokens, as a share."""
        return self._bill.counter.error

    @property
    def is_unpriced(self) -> bool:
        return self._bill.pricing.tariff() is None

    def input(self, asked: Asked) -> tuple[int, float]:
        """The input's tokens, and by how much, as a share, they may be off."""
        counter = self._bill.counter
        tokens = counter.request(asked.kind, asked.body)
        return tokens, counter.error_of(asked.kind, asked.body, tokens)

    def most_output(self, asked: Asked) -> tuple[int, bool]:
        """The most tokens of the answer, and whether the request itself bounds it."""
        return self._bill.most_output(asked.kind, asked.body), bool(most_output(asked.kind, asked.body, 0))

    def cost(self, asked: Asked, input_tokens: float, output_tokens: float) -> float | None:
        call = _call(asked)
        return self._bill.price(call, Usage(round(input_tokens), round(output_tokens)))

    def most_cost(self, asked: Asked) -> float | None:
        """What a budget would hold for it."""
        return None if self.is_unpriced else self._bill.most(_call(asked))

    def book(self, asked: Asked, input_tokens: float, output_tokens: float) -> None:
        """One request more."""
        self._requests += 1
        self._given += input_tokens
        self._written += output_tokens
        bounded = most_output(asked.kind, asked.body, 0)
        charged = bounded if self._limits.charges_max_tokens and bounded else output_tokens
        self._charged += input_tokens + charged

    def shortest_s(self) -> tuple[float, str] | None:
        """Seconds that the limits take at least, and which of them; None when none is known."""
        limits = self._limits
        counted = (
            (limits.rpm, self._requests, "rpm"),
            (limits.tpm, self._charged, "tpm"),
            (limits.input_tpm, self._given, "input_tpm"),
            (limits.output_tpm, self._written, "output_tpm"),
        )
        times = [
            (60.0 * what / (limit * self._keys), f"{name} {limit:,} of {self.target}")
            for limit, what, name in counted
            if limit
        ]
        return max(times, default=None)


def _call(asked: Asked) -> Call:
    return Call(id="", model="", body=asked.body, kind=asked.kind)
