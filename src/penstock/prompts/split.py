"""Which of several arms a user sees: stable, by weight, and moved only where weights say so. Pure."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping

from penstock.errors import InputError

__all__ = ["Split"]

_RANGE = 2.0**-53


class Split:
    """Users divided among arms in proportion to their weights.

    The same user always gets the same arm, in every process. When one arm's weight changes, or an arm comes or goes,
    users move only to or from that arm, and no more of them than must (weighted rendezvous hashing). `salt` keeps
    experiments apart: another salt divides the same users anew. Raises `InputError` for weights that can't be meant.
    """

    __slots__ = ("_arms", "_salt", "weights")

    def __init__(self, weights: Mapping[str, float], *, salt: str = "") -> None:
        if not isinstance(weights, Mapping) or not weights:
            raise InputError(f'a split: expected weights such as {{"1.0.0": 90, "1.1.0": 10}}, got {weights!r:.80}')
        for arm, weight in weights.items():
            if not isinstance(arm, str):
                raise InputError(f"a split: expected text as an arm's name, got {arm!r:.80}")
            is_number = isinstance(weight, int | float) and not isinstance(weight, bool)
            if not is_number or not math.isfinite(weight) or weight < 0:
                raise InputError(f'a split: the weight of "{arm}": expected a number, 0 or above, got {weight!r:.80}')
        if not any(weights.values()):
            raise InputError("a split: every weight is 0, so nobody could get anything")
        self.weights: dict[str, float] = {arm: float(weight) for arm, weight in weights.items()}
        self._salt = salt
        # Sorted: what is drawn doesn't depend on the order in which arms are written.
        self._arms = [(arm, weight, _key(salt, arm)) for arm, weight in sorted(self.weights.items()) if weight > 0]

    def arm(self, user: str) -> str:
        """The user's arm. Raises `InputError` for a user without a name."""
        if not isinstance(user, str) or not user:
            raise InputError(f"a split: expected a user's id as text, got {user!r:.80}")
        name = user.encode("utf-8", "surrogatepass")
        return max(self._arms, key=lambda arm: (arm[1] / -math.log(_draw(arm[2], name)), arm[0]))[0]

    def __repr__(self) -> str:
        return f"Split({self.weights!r}, salt={self._salt!r})"


def _key(salt: str, arm: str) -> bytes:
    return hashlib.blake2b(f"{len(salt)}:{salt}{arm}".encode("utf-8", "surrogatepass"), digest_size=32).digest()


def _draw(key: bytes, user: bytes) -> float:
    """A number between 0 and 1, both excluded, that is this user's and this arm's own."""
    digest = hashlib.blake2b(user, digest_size=8, key=key).digest()
    return ((int.from_bytes(digest, "big") >> 11) + 0.5) * _RANGE
