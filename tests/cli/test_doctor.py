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


def test_a_target_of_two_routes_is_asked_once(tmp_path):
    routes = "".join(f'[routes.{name}]\ntargets = ["sim/fast"]\n' for name in "ab")
    (tmp_path / "penstock.toml").write_text(routes)
    ended = penstock("doctor", cwd=tmp_path)
    assert (ended.code, ended.out.count("sim/fast")) == (0, 1)


def test_a_tree_of_nothing_is_told(tmp_path):
    ended = penstock("doctor", "--tree", cwd=tmp_path)
    assert ended.code == 2
    assert ended.err == "penstock: nothing to draw: name a model with -m, or set a route in penstock.toml\n"


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


ROUTES = """
[providers.mine]
base_url = "http://127.0.0.1:9/v1"
api_keys = ["env:A", "env:B"]
limits = { rpm = 500, concurrency = 8 }
[routes.default]
targets = ["mine/llama", "sim/typical"]
deadline = "30s"
hedge = "auto"
hedge_budget = 0.04
timeouts = { connect = "2s", first_token = "8s", between_tokens = "6s", total = "60s" }
min_tokens_per_s = 3
fallback_on = ["context_too_long"]
[routes.plain]
targets = ["sim/fast"]
on_break = "error"
stream_inside = "off"
[routes.keyless]
targets = ["openai/gpt-4o-mini"]
"""


def test_the_tree_of_every_route_is_drawn_and_one_that_cant_be_is_told(tmp_path):
    (tmp_path / "penstock.toml").write_text(ROUTES)
    ended = penstock("doctor", "--tree", cwd=tmp_path, A=KEY, B="sk-test-another-one")
    default, plain, keyless = ended.out.split("\n\n")
    assert ended.code == 2
    for part in (
        "race, interactive (route default): deadline 30 s, falls back on context_too_long, hedges auto, 0.04 for each",
        "a broken stream is recovered",
        "streamed inside: connect 2 s, first token 8 s, between tokens 6 s, total 60 s, at least 3 tokens/s",
        "+- breaker - limit(rpm 500, max_in_flight 8) - endpoint(mine/llama)",
        "2 key(s) from env:A, env:B",
        "`- breaker - limit(learned) - endpoint(sim/typical)",
    ):
        assert part in default
    assert "(route plain): deadline 120 s, no hedges, a broken stream is an error" in plain
    assert "streamed inside" not in plain
    assert keyless.startswith("FAIL keyless: ")
    assert "set OPENAI_API_KEY" in keyless
    assert KEY not in ended.out


def test_the_tree_of_a_hedge_that_never_starts_is_none(tmp_path):
    (tmp_path / "penstock.toml").write_text('[routes.r]\ntargets = ["sim/fast", "sim/typical"]\nhedge = "700s"\n')
    ended = penstock("doctor", "--tree", cwd=tmp_path)
    assert (ended.code, ended.err) == (2, "")
    assert "FAIL r: hedge: a delay of 700 s isn't shorter than the default deadline, 120 s" in ended.out


@pytest.mark.parametrize("verb", [("ask", "hi"), ("doctor",), ("doctor", "--tree")])
def test_a_name_that_is_no_route_is_told_with_the_routes_that_there_are(tmp_path, verb):
    (tmp_path / "penstock.toml").write_text('[routes.fast]\ntargets = ["sim/fast"]\n')
    ended = penstock(*verb, "-m", "fats", cwd=tmp_path)
    assert ended.code in (1, 2)
    assert 'there is no route "fats" (routes: fast; did you mean "fast"?), so it is a model of openai' in (
        ended.out + ended.err
    )


def test_a_tree_without_a_route_says_what_to_name(tmp_path):
    ended = penstock("doctor", "--tree", cwd=tmp_path)
    assert ended.code == 2
    assert "name a model with -m" in ended.err
