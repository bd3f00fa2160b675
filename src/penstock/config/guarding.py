"""The `guards` of a route, or of a client: which ones, and what each does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from penstock.config.suggest import did_you_mean
from penstock.config.values import Reader, Where, read_one_of, read_str, read_strs, read_table
from penstock.errors import ConfigError
from penstock.guards import GROUPS, KINDS, Check, Guards, Redaction, Screening

__all__ = ["read_guards"]

_KINDS = (*GROUPS, *KINDS)


def read_guards(value: object, where: Where) -> Guards:
    """A table of `redact`, `injection` and `checks`. Raises `ConfigError` that names the setting."""
    return Guards(**read_table(value, _GUARDS, where))


def _read_kinds(value: object, where: Where) -> tuple[str, ...]:
    """Kinds in their own order, groups taken apart."""
    named: set[str] = set()
    for name in read_strs(value, where):
        if name not in _KINDS:
            raise where.error(f'unknown kind "{name}"{did_you_mean(name, _KINDS)}')
        named.update(GROUPS.get(name, (name,)))
    return tuple(kind for kind in KINDS if kind in named)


_REDACT: dict[str, Reader] = {
    "kinds": _read_kinds,
    "except": _read_kinds,
    "prompts": read_one_of(("restore", "mask", "flag", "refuse", "off")),
    "answers": read_one_of(("mask", "flag", "refuse", "off")),
}


def _read_redact(value: object, where: Where) -> Any:
    """true, false, a list of kinds, or a table."""
    if value is False or value == "off":
        return "off"
    if value is True or value == "on":
        return Redaction(tuple(KINDS))
    if isinstance(value, list | tuple):
        return Redaction(_read_kinds(value, where))
    if not isinstance(value, Mapping):
        raise where.expected('true, false, a list of kinds such as ["secrets", "email"], or a table', value)
    read = read_table(value, _REDACT, where)
    but = read.pop("except", ())
    kinds = tuple(kind for kind in read.pop("kinds", tuple(KINDS)) if kind not in but)
    if not kinds:
        raise where.at("except").error("nothing is left of kinds; redact = false turns it off")
    redaction = Redaction(kinds, **read)
    if redaction.prompts == "off" and redaction.answers == "off":
        raise where.error('prompts and answers are both "off" (answers are unless set); redact = false turns it off')
    return redaction


def _read_threshold(value: object, where: Where) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1:
        return float(value)
    raise where.expected("a score above 0, 1 at most", value)


def _read_roles(value: object, where: Where) -> tuple[str, ...]:
    return tuple(read_one_of(("tool", "user"))(role, where) for role in read_strs(value, where))


_INJECTION: dict[str, Reader] = {
    "action": read_one_of(("flag", "refuse", "off")),
    "threshold": _read_threshold,
    "look": read_one_of(("all", "untrusted")),
    "delimit": _read_roles,
}


def _read_injection(value: object, where: Where) -> Any:
    """true ("flag"), false, "flag", "refuse", or a table."""
    if value is False or value == "off":
        return "off"
    if value is True:
        return Screening()
    if isinstance(value, str):
        return Screening(action=read_one_of(("flag", "refuse", "off"))(value, where))
    if not isinstance(value, Mapping):
        raise where.expected('true, false, "flag", "refuse" or a table', value)
    screening = Screening(**read_table(value, _INJECTION, where))
    if screening.action == "off":
        for setting in ("threshold", "look"):
            if setting in value:
                raise where.at(setting).error('action is "off", so nothing is scored; take one of them out')
        if not screening.delimit:
            raise where.error('action is "off" and nothing is delimited; injection = false turns it off')
    return screening


def _read_callable(value: object, where: Where) -> Callable[[str], Any]:
    """A function, or the place of one: "package.module:function"."""
    if callable(value):
        return value
    place = read_str(value, where)
    module, _, name = place.partition(":")
    if not module or not name:
        raise where.expected('the place of a function such as "checks:no_prices"', value)
    try:
        made: object = import_module(module)
        for part in name.split("."):
            made = getattr(made, part)
    except ModuleNotFoundError as error:
        hint = f"; a file {error.name}.py of this folder is found with PYTHONPATH=." if error.name == module else ""
        raise where.error(f'"{place}" can\'t be imported: {error}{hint}') from None
    except Exception as error:  # noqa: BLE001 - importing runs anybody's code
        raise where.error(f'"{place}" can\'t be imported: {type(error).__name__}: {error}') from None
    if not callable(made):
        raise where.error(f'"{place}" is no function but {type(made).__name__}')
    return made


def _as_it_is(value: object, where: Where) -> Any:  # noqa: ARG001 - the check itself knows what may stand there
    return value


_CHECK: dict[str, Reader] = {
    "call": _read_callable,
    "action": read_one_of(("flag", "refuse", "again")),
    "times": _as_it_is,
    "hold": _as_it_is,
    "name": read_str,
}


def _read_check(value: object, where: Where) -> Check:
    if isinstance(value, Check):
        return value
    try:
        if not isinstance(value, Mapping):
            return Check(_read_callable(value, where))
        read = read_table(value, _CHECK, where)
        if "call" not in read:
            raise where.error('a check needs its function: call = "module:function"')
        return Check(**read)
    except ConfigError as error:
        if str(error).startswith("check "):
            raise where.error(str(error)) from None
        raise


def _read_checks(value: object, where: Where) -> tuple[Check, ...]:
    if value is False or value == "off":
        return ()
    if not isinstance(value, list | tuple):
        raise where.expected('a list of functions such as ["checks:no_prices"] or tables', value)
    checks = tuple(_read_check(one, where.at(str(number))) for number, one in enumerate(value))
    for number, check in enumerate(checks):
        if check.name in [one.name for one in checks[:number]] and check.name != "lambda":
            raise where.error(f'two checks are called "{check.name}"; give one of them a name = "..."')
    return checks


_GUARDS: dict[str, Reader] = {"redact": _read_redact, "injection": _read_injection, "checks": _read_checks}
