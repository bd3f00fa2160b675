"""What can be redacted, each kind by its name, and the finder of all that is wanted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Final

from penstock.guards.personal import cards, emails, ibans, ips, phones, ssns
from penstock.guards.secrets import api_keys, aws_keys, jwts, passwords, private_keys
from penstock.guards.settings import KINDS
from penstock.guards.span import Span

__all__ = ["FINDERS", "find"]

FINDERS: Final[dict[str, Callable[[str], Iterator[Span]]]] = {
    "private_key": private_keys,
    "jwt": jwts,
    "api_key": api_keys,
    "aws_key": aws_keys,
    "password": passwords,
    "iban": ibans,
    "card": cards,
    "email": emails,
    "ssn": ssns,
    "ip": ips,
    "phone": phones,
}


def find(text: str, kinds: Collection[str]) -> list[Span]:
    """What of these kinds is in the text, in its order, without overlaps."""
    found: list[Span] = []
    for kind in KINDS:
        if kind in kinds:
            for span in FINDERS[kind](text):
                if not any(span.start < other.end and other.start < span.end for other in found):
                    found.append(span)
    found.sort()
    return found
