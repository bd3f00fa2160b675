"""What signs a request when no key of a pool does."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from penstock.http import WireReply, WireRequest

__all__ = ["Credential"]


class Credential(Protocol):
    """Signs with a token that is fetched and runs out, or with a signature made for each request.

    Shared by all targets of a provider; lives on their loop.
    """

    def waits(self) -> Awaitable[None] | None:
        """What to await before `sign`: None while it can sign at once. Raises `CallError` auth or transport, unsent."""
        ...

    def sign(self, request: WireRequest) -> WireRequest:
        """The request, signed, as another value. Never waits."""
        ...

    def renewed(self, request: WireRequest, reply: WireReply) -> bool:
        """`reply` refused the signed `request`: whether another signature would do better, because only its time was
        wrong. What is needed for that is taken from the reply, or fetched by the next `waits`."""
        ...
