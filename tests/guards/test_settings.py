"""What can't be meant is an error at load that names the setting."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.config import parse_config, read_guards
from penstock.config.values import Where
from penstock.errors import ConfigError
from penstock.guards import KINDS, Guards, Redaction, Screening


def read(table: Any) -> Guards:
    return read_guards(table, Where("config", ("guards",)))


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (7, "expected a table"),
        ({"redakt": True}, 'unknown key "redakt".*redact'),
        ({"redact": 7}, "redact: expected true, false, a list of kinds"),
        ({"redact": ["e-mail"]}, r'redact: unknown kind "e-mail"; did you mean "email"\?$'),
        ({"redact": ["zebra"]}, 'redact: unknown kind "zebra"; known: [^;]*phone[^;]*$'),
        ({"redact": {"kinds": []}}, "kinds: expected"),
        ({"redact": {"kinds": ["email"], "except": ["pii"]}}, "except: nothing is left"),
        ({"redact": {"prompts": "hide"}}, 'prompts: unknown value "hide"'),
        ({"redact": {"answers": "restore"}}, 'answers: unknown value "restore"'),
        ({"redact": {"prompts": "off"}}, 'prompts and answers are both "off"'),
        ({"injection": "maybe"}, 'injection: unknown value "maybe"'),
        ({"injection": {"threshold": 0}}, "threshold: expected a score above 0"),
        ({"injection": {"threshold": True}}, "threshold: expected"),
        ({"injection": {"action": "off", "threshold": 0.5}}, 'threshold: action is "off"'),
        ({"injection": {"action": "off"}}, 'action is "off" and nothing is delimited'),
        ({"injection": {"delimit": ["system"]}}, 'delimit: unknown value "system"'),
        ({"checks": "mine"}, "checks: expected a list of functions"),
        ({"checks": ["mine"]}, "0: expected the place of a function"),
        ({"checks": ["no.such.module:f"]}, "can't be imported"),
        ({"checks": ["nosuchmodule:f"]}, r"nosuchmodule\.py of this folder is found with PYTHONPATH"),
        ({"checks": ["json:no_such"]}, "can't be imported"),
        ({"checks": ["json:__doc__"]}, "is no function but str"),
        ({"checks": [{"action": "flag"}]}, "a check needs its function"),
        ({"checks": [{"call": "json:loads", "times": 3}]}, "check loads: times: it bounds"),
        ({"checks": ["json:loads", "json:loads"]}, 'two checks are called "loads"'),
    ],
)
def test_what_cannot_be_meant_names_the_setting(table: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        read(table)


def test_groups_and_kinds_are_read_in_their_own_order() -> None:
    guards = read({"redact": {"kinds": ["email", "secrets"], "except": ["jwt"], "answers": "mask"}})
    assert guards.redact == Redaction(("private_key", "api_key", "aws_key", "password", "email"), answers="mask")


def test_short_forms_mean_the_defaults() -> None:
    guards = read({"redact": True, "injection": "refuse", "checks": ["json:loads"]})
    assert guards.redact == Redaction(KINDS)
    assert guards.injection == Screening(action="refuse")
    assert guards.checks is not None
    assert guards.checks[0].name == "loads"
    assert read({"redact": False}).redact == "off"


def test_a_clients_guards_stand_over_a_routes_each_by_itself() -> None:
    route = read({"redact": True, "injection": True})
    both = read({"redact": False}).over(route)
    assert (both.redact, both.injection) == ("off", Screening())


def test_a_route_names_the_place_of_its_mistake() -> None:
    with pytest.raises(ConfigError, match=r"\[routes\.x\.guards\] redact: unknown kind"):
        parse_config({"routes": {"x": {"targets": ["sim/fast"], "guards": {"redact": ["nothing"]}}}}, environ={})
