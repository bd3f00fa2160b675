"""`penstock doctor` says of each provider whether it answers, and why not."""

import pytest
from tests.cli.given import KEY, penstock
from tests.client.given import running_simulator


@pytest.fixture(scope="module")
def url():
    with running_simulator() as url:
        yield url


def test_targets_of_routes_are_asked_and_other_providers_list_their_models(tmp_path, url):
    (tmp_path / "penstock.toml").write_text(
        f"""
[providers.mine]
base_url = "{url}/mine/v1"
[routes.default]
targets = ["sim/fast", "sim/down"]
"""
    )
    ended = penstock("doctor", cwd=tmp_path, OPENAI_API_KEY=KEY, OPENAI_BASE_URL=f"{url}/openai/v1")
    lines = {line.split()[1].strip(":"): line for line in ended.out.splitlines()}
    assert ended.code == 1
    assert lines["sim/fast"].startswith("ok ")
    assert lines["sim/down"].startswith("FAIL ")
    assert "503" in lines["sim/down"]
    assert lines["mine"].endswith("models")
    assert lines["openai"].endswith("models")
    assert KEY not in ended.out + ended.err


def test_all_well_is_exit_0(tmp_path):
    ended = penstock("doctor", "-m", "sim/fast", cwd=tmp_path)
    assert (ended.code, ended.out.split()[:2]) == (0, ["ok", "sim/fast"])


def test_a_provider_that_isnt_there_is_told_with_its_reason(tmp_path):
    ended = penstock("doctor", "--base-url", "http://127.0.0.1:9/v1", cwd=tmp_path, OPENAI_API_KEY=KEY)
    assert ended.code == 1
    assert ended.out.startswith("FAIL openai: ")
    assert KEY not in ended.out + ended.err


def test_a_missing_key_is_told_for_the_route_that_needs_it(tmp_path):
    (tmp_path / "penstock.toml").write_text('[routes.r]\ntargets = ["openai/gpt-4o-mini"]\n')
    ended = penstock("doctor", cwd=tmp_path)
    assert ended.code == 1
    assert "set OPENAI_API_KEY" in ended.out


def test_nothing_to_check_is_exit_2(tmp_path):
    ended = penstock("doctor", cwd=tmp_path)
    assert ended.code == 2
    assert "nothing to check" in ended.err


def test_the_tree_is_drawn_without_asking_anything(tmp_path):
    (tmp_path / "penstock.toml").write_text(
        '[routes.r]\ntargets = ["sim/fast", "openai/x"]\ndeadline = "9s"\nmax_attempts = 6\n'
    )
    ended = penstock("doctor", "--tree", cwd=tmp_path, OPENAI_API_KEY=KEY, OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    assert (ended.code, ended.err) == (0, "")
    for part in (
        "race, interactive (route r): deadline 9 s, at most 6 attempts",
        "endpoint(sim/fast)",
        "http://127.0.0.1:9/v1",
    ):
        assert part in ended.out
    assert KEY not in ended.out
