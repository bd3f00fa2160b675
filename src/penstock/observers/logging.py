"""Logs for people: silent until asked, with request and attempt ids, never a key, prompts only when asked.

Everything is logged under `logging.getLogger("penstock")`; a program that uses penstock as a library sets its own
handlers there. `configure_logging` is what the command does. Prompts are logged by `penstock.prompts` alone, and only
when that logger's own level is set.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import TextIO

from penstock.call import Attempt, Call
from penstock.errors import CallError, Unanswered

__all__ = ["LEVELS", "PromptLog", "configure_logging", "masked", "never_show", "prompts_wanted"]

LEVELS = ("debug", "info", "warning", "error")
_MASK = "[key]"
_LEAST_SECRET = 6
_LOOKS_LIKE_A_KEY = re.compile(
    r"""(bearer\s+|api[-_]?key['"]?\s*[:=]\s*['"]?)(?!env:|file:)[^\s'",;)}]{6,}|\bsk-[A-Za-z0-9_-]{6,}""",
    re.IGNORECASE,
)
_MOST_SECRETS = 10_000
_secrets: dict[str, None] = {}

_root = logging.getLogger("penstock")
# Without this, Python prints warnings of a library that nobody configured.
_root.addHandler(logging.NullHandler())
_prompts = logging.getLogger("penstock.prompts")


def never_show(secret: str) -> None:
    """Take `secret` out of every line that is logged from now on, wherever it stands."""
    if len(secret) >= _LEAST_SECRET:
        _secrets[secret] = None
        if len(_secrets) > _MOST_SECRETS:
            del _secrets[next(iter(_secrets))]


def masked(text: str) -> str:
    """The text without known keys, and without what looks like one."""
    for secret in tuple(_secrets):
        if secret in text:
            text = text.replace(secret, _MASK)
    return _LOOKS_LIKE_A_KEY.sub(lambda match: (match.group(1) or "") + _MASK, text)


class _Masking(logging.Formatter):
    """Masks the finished line, so that arguments, exceptions and tracebacks are covered too."""

    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record))


def configure_logging(level: str, *, stream: TextIO | None = None, prompts: bool = False) -> None:
    """Write what penstock logs from `level` (debug, info, warning, error) on to `stream`, stderr unless given.

    Calling again replaces the former setting. `prompts` logs each request's body at debug. Raises `ValueError` for
    an unknown level.
    """
    if level not in LEVELS:
        raise ValueError(f"unknown log level {level!r}; one of {', '.join(LEVELS)}")
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Masking("%(asctime)s.%(msecs)03d %(levelname)s %(name)s: %(message)s", "%H:%M:%S"))
    for old in list(_root.handlers):
        _root.removeHandler(old)
    _root.addHandler(handler)
    _root.setLevel(level.upper())
    _root.propagate = False
    _prompts.setLevel(logging.DEBUG if prompts else logging.NOTSET)


def prompts_wanted() -> bool:
    """Whether someone asked for prompts in the log."""
    return logging.NOTSET < _prompts.level <= logging.DEBUG


class PromptLog:
    """An observer of a race that logs the body of each attempt, at debug, under `penstock.prompts`."""

    def attempt_started(self, call: Call, attempt: Attempt) -> None:
        _prompts.debug("%s to %s: %s", attempt.id, attempt.target, call.body)

    def attempt_failed(self, call: Call, attempt: Attempt, error: CallError) -> None:
        """The race logs failures itself."""

    def answered(self, call: Call, attempt: Attempt) -> None:
        """The race logs answers itself."""

    def gave_up(self, call: Call, error: Unanswered) -> None:
        """The race logs this itself."""

    def waiting(self, call: Call, target: str | None, until_s: float) -> None:
        """The race logs waits itself."""
