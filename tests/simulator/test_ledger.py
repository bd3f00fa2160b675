from __future__ import annotations

import msgspec
import pytest
from tests.simulator.given import KEY, body_of, chat, json_of, request, simulator

from penstock.simulator.ledger import Ledger

DIGEST = bytes(range(16))


def filled(count: int, **settings: int) -> Ledger:
    ledger = Ledger(**settings)  # type: ignore[arg-type]
    for number in range(count):
        ledger.add("chat", f"m{number % 3}", key="k", digest=DIGEST, at_s=number, input_tokens=number, output_tokens=1)
    return ledger


def test_a_row_reads_back_as_it_was_written() -> None:
    ledger = Ledger("run")
    seq = ledger.add(
        "embedding", "m", key="k", digest=DIGEST, at_s=1.5, status=503, input_tokens=7, output_tokens=9, fault="status"
    )
    assert list(ledger.rows()) == [
        {
            "seq": seq,
            "id": ledger.id_of("embedding", seq),
            "key": "k",
            "model": "m",
            "kind": "embedding",
            "input_tokens": 7,
            "output_tokens": 9,
            "tokens": 16,
            "status": 503,
            "fault": "status",
            "delivered": False,
            "digest": DIGEST.hex(),
            "at_s": 1.5,
        }
    ]


def test_rows_beyond_the_bound_are_counted() -> None:
    ledger = filled(12, max_rows=10)
    assert (ledger.served, ledger.dropped, len(list(ledger.rows()))) == (12, 2, 10)
    ledger.mark_delivered(11)


def test_delivery_is_marked_in_its_own_row() -> None:
    ledger = filled(5000)
    ledger.mark_delivered(4500)
    assert [row["seq"] for row in ledger.rows() if row["delivered"]] == [4500]


@pytest.mark.parametrize("page", [1, 7, 4096, 10_000])
def test_pages_together_are_the_whole(page: int) -> None:
    ledger = filled(9000 if page > 100 else 50)
    rows: list[int] = []
    while some := list(ledger.rows(len(rows), page)):
        rows += [row["seq"] for row in some]
    assert rows == list(range(ledger.served))


def test_ids_differ_between_requests_and_between_simulators() -> None:
    ids = {ledger.id_of("chat", seq) for ledger in (Ledger("a"), Ledger("b")) for seq in range(100)}
    assert len(ids) == 200


def test_no_id_comes_again_after_a_clear() -> None:
    ledger = Ledger("a")
    before = ledger.id_of("chat", 0)
    ledger.clear()
    assert ledger.id_of("chat", 0) != before


def test_totals_add_up_every_row() -> None:
    ledger = filled(10)
    totals = ledger.totals()
    assert (totals["input_tokens"], totals["output_tokens"], totals["statuses"]) == (45, 10, {"200": 10})


def test_names_beyond_the_bound_are_called_other() -> None:
    ledger = Ledger()
    for number in range(60_010):
        ledger.add("chat", "m", key=f"key-{number}", digest=DIGEST, at_s=0)
    assert next(ledger.rows(60_005))["key"] == "(other)"


def test_the_ledger_is_told_page_by_page() -> None:
    told = simulator()
    for number in range(3):
        assert told.quick(request(chat(f"question {number}"))) is not None
    page = json_of(told.script(request(path="/sim/ledger?since=1&limit=1", method="GET")))
    assert (page["served"], page["dropped"], [row["seq"] for row in page["requests"]]) == (3, 0, [1])
    whole = json_of(told.script(request(path="/sim/ledger", method="GET")))
    assert {row["key"] for row in whole["requests"]} == {KEY}


def test_a_long_ledger_is_told_as_one_json_value() -> None:
    told = simulator()
    for number in range(1203):
        told.quick(request(chat(str(number))))
    assert len(json_of(told.script(request(path="/sim/ledger", method="GET")))["requests"]) == 1203


def test_the_summary_has_no_rows() -> None:
    told = simulator()
    told.quick(request(chat()))
    summary = json_of(told.script(request(path="/sim/ledger?summary=1", method="GET")))
    assert (summary["served"], summary["statuses"], "requests" in summary) == (1, {"200": 1}, False)


@pytest.mark.parametrize("query", ["since=-1", "since=x", "limit=-2"])
def test_a_page_that_is_none_is_refused(query: str) -> None:
    script = simulator().script(request(path=f"/sim/ledger?{query}", method="GET"))
    assert script.status == 400


def test_every_answer_stands_in_the_ledger_under_its_id() -> None:
    told = simulator("[models.slow]\noutput_tokens = 10")
    quick = told.quick(request(chat()))
    assert quick is not None
    ids = [msgspec.json.decode(quick.body)["id"], json_of(told.script(request(chat(model="slow"))))["id"]]
    assert [row["id"] for row in told.ledger.rows()] == ids


def test_an_answer_is_delivered_when_its_script_was_played() -> None:
    told = simulator("[models.m]\noutput_tokens = 10")
    script = told.script(request(chat()))
    assert [row["delivered"] for row in told.ledger.rows()] == [False]
    body_of(script)
    assert [row["delivered"] for row in told.ledger.rows()] == [True]
