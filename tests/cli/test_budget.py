from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cli.given import KEY, penstock
from tests.client.given import ledger, running_simulator

from penstock.batch.reader import open_run
from penstock.errors import JournalError

PRICES = '[providers.sim.prices]\n"*" = { input = 1.0, output = 2.0 }\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = [json.dumps({"messages": [{"role": "user", "content": f"question {n}"}]}) for n in range(100)]
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    (tmp_path / "penstock.toml").write_text(PRICES)
    return tmp_path


RUN = ("run", "in.jsonl", "-o", "out.jsonl", "-m", "sim/fast", "--max-tokens", "50", "--json")


def cost_in(path: Path) -> float:
    return sum(json.loads(line)["penstock"]["cost_usd"] for line in path.read_text().splitlines())


def test_a_run_says_what_it_cost_to_the_last_answer(folder: Path) -> None:
    ended = penstock(*RUN, cwd=folder)
    summary = json.loads(ended.out)
    assert ended.code == 0
    assert summary["cost_usd"] == pytest.approx(cost_in(folder / "out.jsonl"))
    assert summary["cost_usd"] == pytest.approx((summary["input_tokens"] + 2 * summary["output_tokens"]) / 1e6)
    status = json.loads(penstock("status", "out.jsonl", "--json", cwd=folder).out)
    assert status["spent_usd"] == pytest.approx(summary["cost_usd"])


def test_an_unknown_price_is_null(folder: Path) -> None:
    (folder / "penstock.toml").unlink()
    ended = penstock(*RUN, cwd=folder)
    assert json.loads(ended.out)["cost_usd"] is None
    line = json.loads((folder / "out.jsonl").read_text().splitlines()[0])
    assert line["penstock"]["cost_usd"] is None


def test_a_run_stops_within_its_budget_and_goes_on_with_a_higher_one(folder: Path) -> None:
    ended = penstock(*RUN, "--budget", "0.001", cwd=folder)
    first = json.loads(ended.out)
    assert ended.code == 3
    assert 0 < first["answered"] < 100
    assert first["failed"] == 0
    assert cost_in(folder / "out.jsonl") <= 0.001
    assert "To go on with a higher budget:" in ended.err
    assert "--budget 0.002" in ended.err
    told = penstock("status", "out.jsonl", cwd=folder).out
    assert "To go on with a higher budget, and the other options it had:" in told
    assert "--budget 0.001" in told
    same = json.loads(penstock(*RUN, "--budget", "0.001", cwd=folder).out)
    assert same["spent_usd"] <= 0.001
    assert same["answered"] - first["answered"] <= 2
    last = penstock(*RUN, "--budget", "1", cwd=folder)
    assert (last.code, json.loads(last.out)["answered"]) == (0, 100)


def test_what_an_earlier_session_without_a_budget_spent_counts(folder: Path) -> None:
    penstock(*RUN, "--limit", "60", cwd=folder)
    spent = cost_in(folder / "out.jsonl")
    ended = penstock(*RUN, "--budget", f"{spent + 0.00001:.9f}", cwd=folder)
    assert ended.code == 3
    assert json.loads(ended.out)["answered"] == 60


def test_a_budget_over_an_unknown_price_is_refused_and_names_the_override(folder: Path) -> None:
    (folder / "penstock.toml").unlink()
    ended = penstock(*RUN, "--budget", "1", cwd=folder)
    assert ended.code == 2
    assert '[providers.sim.prices] "fast" = { input = 0.15, output = 0.60 }' in ended.err
    assert not (folder / "out.jsonl").exists()


@pytest.mark.parametrize("budget", ["0", "-1", "nan", "inf", "much"])
def test_a_budget_that_is_none_is_refused(folder: Path, budget: str) -> None:
    ended = penstock(*RUN, f"--budget={budget}", cwd=folder)
    assert ended.code == 2
    assert "expected US dollars above 0" in ended.err


def test_a_day_is_shared_by_runs_and_told(folder: Path) -> None:
    (folder / "penstock.toml").write_text(PRICES + "[budget]\nper_day = 0.001\n")
    ended = penstock(*RUN, cwd=folder, XDG_STATE_HOME=str(folder / "state"))
    assert ended.code == 3
    assert "the budget per day leaves too little" in ended.err
    assert (folder / "state" / "penstock" / "spending.json").exists()
    other = penstock(
        "run", "in.jsonl", "-o", "b.jsonl", "-m", "sim/fast", cwd=folder, XDG_STATE_HOME=str(folder / "state")
    )
    assert other.code == 3


# `penstock estimate`


def test_an_estimate_needs_no_key_and_encloses_what_the_run_costs(folder: Path) -> None:
    told = json.loads(
        penstock("estimate", "in.jsonl", "-m", "sim/fast", "--max-tokens", "50", "--json", cwd=folder).out
    )
    run = json.loads(penstock(*RUN, cwd=folder).out)
    assert told["requests"] == 100
    assert told["cost_usd"]["low"] <= told["cost_usd"]["expected"] <= told["cost_usd"]["high"]
    assert run["cost_usd"] <= told["cost_usd"]["high"]
    assert told["output_tokens"]["high"] == 100 * 50


def test_an_estimate_reads_like_a_table(folder: Path) -> None:
    ended = penstock("estimate", "in.jsonl", "-m", "openai/gpt-4o-mini", "--rpm", "50", cwd=folder)
    assert ended.code == 0
    assert "requests  100" in ended.out
    assert "at least 2 min 00 s, by rpm 50 of openai/gpt-4o-mini" in ended.out
    assert "100 requests without max_tokens" in ended.out
    assert KEY not in ended.out


def test_an_estimate_of_short_requests_says_how_far_it_may_be_off(folder: Path) -> None:
    words = ("estimate", "in.jsonl", "-m", "cohere/command-r7b-12-2024", "--max-tokens", "9", "--json")
    told = json.loads(penstock(*words, cwd=folder).out)
    assert 0 <= told["input_tokens"]["low"] < told["input_tokens"]["expected"] < told["input_tokens"]["high"]
    assert told["token_error"] == pytest.approx(
        told["input_tokens"]["high"] / told["input_tokens"]["expected"] - 1, abs=0.01
    )
    assert 0 <= told["cost_usd"]["low"] < told["cost_usd"]["high"]


def test_an_estimate_without_a_price_list_says_where_one_is(folder: Path) -> None:
    words = ("estimate", "in.jsonl", "-m", "openai/gpt-4o-mini")
    assert "pip install" not in penstock(*words, cwd=folder).out
    (folder / "genai_prices.py").write_text("raise ImportError\n")
    assert "pip install 'penstock[prices]'" in penstock(*words, cwd=folder, PYTHONPATH=str(folder)).out


def test_an_estimate_says_what_it_doesnt_know(folder: Path) -> None:
    ended = penstock("estimate", "in.jsonl", "-m", "openai/my-own", cwd=folder)
    assert "unknown: no price of openai/my-own" in ended.out
    assert (
        json.loads(penstock("estimate", "in.jsonl", "-m", "openai/my-own", "--json", cwd=folder).out)["cost_usd"]
        is None
    )


def test_what_was_in_flight_at_a_kill_counts_in_the_next_session(folder: Path) -> None:
    (folder / "scenario.toml").write_text('[models."*"]\nttft_s = 60\n')
    with running_simulator("--scenario", str(folder / "scenario.toml")) as url:
        (folder / "penstock.toml").write_text(
            f'[providers.mine]\nbase_url = "{url}/openai/v1"\nprices = {{ "*" = {{ input = 1.0, output = 2.0 }} }}\n'
        )
        argv = ["run", "in.jsonl", "-o", "out.jsonl", "-m", "mine/slow", "--max-tokens", "50", "--budget", "0.01"]
        process = subprocess.Popen(
            [sys.executable, "-c", "from penstock.cli.main import main; main()", *argv, "--quiet"],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "MINE_API_KEY": KEY},
        )
        spent, give_up_s = 0.0, time.monotonic() + 30.0
        while spent == 0.0 and time.monotonic() < give_up_s:
            spent = spent_in(folder / "out.jsonl") if len(ledger(url)) >= 16 else 0.0
        process.kill()
        process.wait()
    assert spent >= 16 * 50 * 2 / 1e6
    assert spent <= 0.01


def spent_in(out: Path) -> float:
    if not out.with_name(out.name + ".penstock").exists():
        return 0.0
    try:
        with open_run(out) as told:
            return told.info.spent_usd or 0.0
    except JournalError:  # it has only begun
        return 0.0


def test_a_row_is_charged_to_the_tags_in_its_metadata_and_the_others_go_on(folder: Path) -> None:
    teams = ("search", "shop", "none of ours")
    rows = [
        {"custom_id": f"{n}", "messages": [{"role": "user", "content": f"{n}?"}], "metadata": {"team": teams[n % 3]}}
        for n in range(90)
    ]
    (folder / "in.jsonl").write_text("\n".join(map(json.dumps, rows)))
    bounds = '[budget.per_tag]\n"team=search" = 0.0004\n"team=shop" = 1.0\n'
    (folder / "penstock.toml").write_text(PRICES + bounds)
    ended = penstock(*RUN, cwd=folder)
    summary = json.loads(ended.out)
    assert (ended.code, summary["exceeded"]) == (3, "tag")
    assert "team=search" in summary["stopped"]
    assert "with a higher per_tag" in ended.err
    lines = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    costs = dict.fromkeys(teams, 0.0)
    counts = dict.fromkeys(teams, 0)
    for line in lines:
        costs[teams[int(line["custom_id"]) % 3]] += line["penstock"]["cost_usd"]
        counts[teams[int(line["custom_id"]) % 3]] += 1
    assert 0 < counts["search"] < 30
    assert (counts["shop"], counts["none of ours"]) == (30, 30)
    assert costs["search"] <= 0.0004
    assert json.loads(penstock(*RUN, cwd=folder).out)["answered"] == len(lines)
    (folder / "penstock.toml").write_text(PRICES + bounds.replace("0.0004", "1.0"))
    last = penstock(*RUN, cwd=folder)
    assert (last.code, json.loads(last.out)["answered"]) == (0, 90)
