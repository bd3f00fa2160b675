"""Values that look like the real thing and belong to nobody: drawn, never written down, so that no file holds a key."""

from __future__ import annotations

import random
import string
from base64 import b64encode, urlsafe_b64encode

__all__ = ["Make", "upper"]

ALNUM = string.ascii_letters + string.digits
URLSAFE = ALNUM + "-_"
HEX = "0123456789abcdef"
upper = string.ascii_uppercase + string.digits


class Make:
    """A maker of values from a seed."""

    def __init__(self, seed: str) -> None:
        self.rng = random.Random(seed)

    def of(self, alphabet: str, count: int) -> str:
        return "".join(self.rng.choices(alphabet, k=count))

    def alnum(self, count: int) -> str:
        return self.of(ALNUM, count)

    def urlsafe(self, count: int) -> str:
        return self.of(URLSAFE, count - 1) + self.of(ALNUM, 1)

    def hex(self, count: int) -> str:
        return self.of(HEX, count)

    def digits(self, count: int) -> str:
        return self.of(string.digits, count)

    def number(self, low: int, high: int) -> int:
        return self.rng.randint(low, high)

    def pick(self, *options: str) -> str:
        return self.rng.choice(options)

    def base64(self, count: int) -> str:
        return b64encode(self.rng.randbytes(count)).decode()

    def luhn(self, prefix: str, length: int) -> str:
        """Digits whose Luhn sum is right."""
        body = prefix + self.digits(length - len(prefix) - 1)
        total = 0
        for place, digit in enumerate(reversed(body)):
            value = int(digit) * (2 if place % 2 == 0 else 1)
            total += value - 9 if value > 9 else value
        return body + str(-total % 10)

    def not_luhn(self, prefix: str, length: int) -> str:
        good = self.luhn(prefix, length)
        return good[:-1] + str((int(good[-1]) + self.number(1, 9)) % 10)

    def iban(self, country: str, bban: str) -> str:
        """An IBAN with the right check digits; in `bban` "0" is any digit and "A" any capital letter."""
        filled = "".join(
            self.digits(1) if mark == "0" else self.of(string.ascii_uppercase, 1) if mark == "A" else mark
            for mark in bban
        )
        number = int("".join(str(int(char, 36)) for char in f"{filled}{country}00"))
        return f"{country}{98 - number % 97:02d}{filled}"

    def jwt(self, header: bytes, claims: bytes, signature: int = 32) -> str:
        parts = (urlsafe_b64encode(one).decode().rstrip("=") for one in (header, claims, self.rng.randbytes(signature)))
        return ".".join(parts)

    def pem(self, label: str, count: int) -> str:
        body = self.base64(count)
        lines = [body[start : start + 64] for start in range(0, len(body), 64)]
        return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----"])
