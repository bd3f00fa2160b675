"""What guards are told: each value frozen, checked when it is made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from penstock.errors import ConfigError

__all__ = ["GROUPS", "KINDS", "Check", "Guards", "Redaction", "Screening"]

GROUPS: Final = {
    "secrets": ("private_key", "jwt", "api_key", "aws_key", "password"),
    "pii": ("iban", "card", "email", "ssn", "ip", "phone"),
}
KINDS: Final = (*GROUPS["secrets"], *GROUPS["pii"])
"""What can be redacted. Where two finds overlap the earlier kind's counts."""

Off = Literal["off"]
_ACTIONS = ("flag", "refuse", "again")
_MOST_TIMES = 10


@dataclass(frozen=True, slots=True)
class Redaction:
    """Which kinds are looked for, and what becomes of them on the way to the provider and in its answers.

    `restore`: the provider sees a placeholder, the caller the value again. `mask`: nobody sees it any more.
    """

    kinds: tuple[str, ...]
    prompts: Literal["restore", "mask", "flag", "refuse", "off"] = "restore"
    answers: Literal["mask", "flag", "refuse", "off"] = "off"


@dataclass(frozen=True, slots=True)
class Screening:
    """What is done when a prompt reads like an injection, from which score on, and where one is looked for.

    `all`: in every message but the system's and the assistant's; `untrusted`: in what `untrusted` marked and in
    results of tools. Messages of the roles in `delimit` are marked as untrusted before they are sent.
    """

    action: Literal["flag", "refuse", "off"] = "flag"
    threshold: float = 0.5
    look: Literal["all", "untrusted"] = "all"
    delimit: tuple[Literal["tool", "user"], ...] = ()


Verdict = bool | str | None
Called = Callable[[str], Verdict | Awaitable[Verdict]]


@dataclass(frozen=True, slots=True, eq=False)
class Check:
    """A check of answers: `call` gets the text of one and says whether it is good.

    Good is True or None; bad is False, a text that says what is wrong, or an exception. It may be a coroutine function.
    `action`: "flag" notes it, "refuse" raises `penstock.GuardRefused`, "again" asks again, `times` times at most, and
    refuses then. `hold` says what a stream's reader gets before the check: "all" of it is held back until it was
    checked, "none", or so many characters at most, after each of which the text so far is checked. Unless set it is
    "none" for "flag", else "all". Raises `ConfigError`.
    """

    call: Called
    action: Literal["flag", "refuse", "again"] = "refuse"
    times: int | None = None
    hold: Literal["all", "none"] | int | None = None
    name: str = ""

    def __post_init__(self) -> None:
        if not callable(self.call):
            raise ConfigError(f"check: expected a function of the answer's text, got {self.call!r:.80}")
        if not self.name:
            named = getattr(self.call, "__name__", None) or type(self.call).__name__
            object.__setattr__(self, "name", named.strip("<>"))
        if self.action not in _ACTIONS:
            raise self._error("action", f"expected one of {', '.join(_ACTIONS)}, got {self.action!r:.80}")
        if self.times is not None:
            if self.action != "again":
                raise self._error("times", f'it bounds action = "again", and action is "{self.action}"')
            if not _is_whole(self.times) or not 1 <= self.times <= _MOST_TIMES:
                raise self._error("times", f"expected a whole number from 1 to {_MOST_TIMES}, got {self.times!r:.80}")
        self._check_hold()

    def _check_hold(self) -> None:
        hold = self.hold
        if hold is None:
            return
        if hold not in ("all", "none") and not (_is_whole(hold) and int(hold) > 0):
            raise self._error("hold", f'expected "all", "none" or a number of characters above 0, got {hold!r:.80}')
        if self.action == "again" and hold != "all":
            raise self._error("hold", f'action = "again" takes an answer back, so all of it is held; got {hold!r:.80}')

    def _error(self, setting: str, text: str) -> ConfigError:
        return ConfigError(f"check {self.name}: {setting}: {text}")

    @property
    def held(self) -> Literal["all", "none"] | int:
        if self.hold is None:
            return "none" if self.action == "flag" else "all"
        return self.hold

    @property
    def most_times(self) -> int:
        """How often it asks again."""
        return 0 if self.action != "again" else 2 if self.times is None else self.times


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True)
class Guards:
    """The guards of a route or of a client; None where nothing was said."""

    redact: Redaction | Off | None = None
    injection: Screening | Off | None = None
    checks: tuple[Check, ...] | None = None

    def over(self, other: Guards | None) -> Guards:
        """These, and those of `other` where these say nothing."""
        if other is None:
            return self
        return Guards(
            other.redact if self.redact is None else self.redact,
            other.injection if self.injection is None else self.injection,
            other.checks if self.checks is None else self.checks,
        )
