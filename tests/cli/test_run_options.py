"""What `penstock run` is told about its race is refused before anything is sent when it can't be meant."""

import pytest
from tests.cli.given import penstock

LINES = '{"custom_id": "a", "messages": [{"role": "user", "content": "hi"}], "model": "sim/fast"}\n'


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-m", "sim/fast", "--hedge", "soon"), '--hedge: expected "off", "auto" or a delay above 0 such as "2s"'),
        (("-m", "sim/fast", "--hedge", "auto"), "hedge: a hedge needs a second target, and there is one"),
        (("--hedge", "2s"), "hedge: a hedge needs a second target, and there is one"),
        (("-m", "sim/fast", "-m", "sim/down", "--hedge", "2s", "--deadline", "2s"), "hedge: a delay of 2 s isn't"),
        (("-m", "sim/fast", "--deadline", "-1s"), "--deadline: expected a duration"),
        (("-m", "broken"), "[routes.broken] hedge: a hedge needs a second target"),
    ],
)
def test_a_hedge_that_cannot_be_meant_is_exit_2_and_nothing_is_sent(tmp_path, options, message):
    (tmp_path / "in.jsonl").write_text(LINES)
    if "broken" in options:
        (tmp_path / "penstock.toml").write_text('[routes.broken]\ntargets = ["sim/fast"]\nhedge = "auto"\n')
    ended = penstock("run", "in.jsonl", "-o", "out.jsonl", *options, cwd=tmp_path)
    assert ended.code == 2, ended.err
    assert message in ended.err
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize(("option", "value"), [("--budget", "much"), ("--hedge", "soon"), ("--deadline", "late")])
def test_a_bad_value_names_its_option_once(tmp_path, option, value):
    ended = penstock("run", "in.jsonl", "-o", "out.jsonl", "-m", "sim/fast", option, value, cwd=tmp_path)
    assert (ended.code, ended.err.count(option), ended.err.count(f'got "{value}"')) == (2, 1, 1)


def test_a_run_with_hedges_answers(tmp_path):
    (tmp_path / "in.jsonl").write_text(LINES)
    ended = penstock(
        *("run", "in.jsonl", "-o", "out.jsonl", "-m", "sim/fast", "-m", "sim/typical", "--hedge", "1s"), cwd=tmp_path
    )
    assert ended.code == 0, ended.err


def test_to_start_anew_and_to_go_on_at_once_is_refused(tmp_path):
    (tmp_path / "in.jsonl").write_text(LINES)
    ended = penstock("run", "in.jsonl", "-o", "out.jsonl", "--fresh", "--keep-answered", cwd=tmp_path)
    assert (ended.code, "expected one of them" in ended.err) == (2, True)
    assert not (tmp_path / "out.jsonl").exists()
