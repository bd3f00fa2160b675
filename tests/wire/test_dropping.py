"""What is left out is said, once."""

from __future__ import annotations

import logging

import pytest

from penstock.wire.dropping import dropped


def test_a_field_that_is_left_out_is_told_once_for_each_wire(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="penstock.wire")
    for wire in ("told-once", "told-once", "told-twice"):
        dropped(wire, "user", "it has no such field")
    assert [record.getMessage() for record in caplog.records] == [
        "told-once: user is left out: it has no such field",
        "told-twice: user is left out: it has no such field",
    ]
