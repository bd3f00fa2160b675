"""`penstock providers` tells which keys are found, and never a key."""

import json

from tests.cli.given import KEY, penstock


def listed(ended):
    return {row["provider"]: row for row in json.loads(ended.out)}


def test_it_tells_where_each_key_is_found(tmp_path):
    (tmp_path / ".env").write_text("GROQ_API_KEY=gsk-test-not-a-key\n")
    (tmp_path / "penstock.toml").write_text(
        '[providers.mine]\nbase_url = "http://127.0.0.1:8000/v1"\napi_key = "env:M"\n'
    )
    rows = listed(penstock("providers", "--json", cwd=tmp_path, OPENAI_API_KEY=KEY, M=KEY))
    assert rows["openai"]["key"] == "key from env:OPENAI_API_KEY"
    assert rows["groq"]["key"] == "key from GROQ_API_KEY in .env"
    assert rows["mine"]["key"] == "key from env:M"
    assert rows["together"] == {
        "provider": "together",
        "usable": False,
        "key": "no key: set TOGETHER_API_KEY",
        "base_url": "https://api.together.xyz/v1",
    }
    assert rows["ollama"]["usable"]
    assert rows["ollama"]["base_url"] == "http://localhost:11434"  # its own wire
    assert rows["sim"]["base_url"] == "in this process"


def test_the_list_for_people_marks_what_can_be_used(tmp_path):
    ended = penstock("providers", cwd=tmp_path, OPENAI_API_KEY=KEY)
    assert ended.code == 0
    marks = {line.split()[1]: line.split()[0] for line in ended.out.splitlines()}
    assert (marks["openai"], marks["groq"], marks["sim"]) == ("+", "-", "+")


def test_a_reference_that_leads_nowhere_is_told_beside_its_provider(tmp_path):
    (tmp_path / "penstock.toml").write_text('[providers.openai]\napi_key = "env:NOT_THERE"\n')
    assert "NOT_THERE is not set" in listed(penstock("providers", "--json", cwd=tmp_path))["openai"]["key"]


def test_no_key_is_ever_shown(tmp_path):
    config = tmp_path / "penstock.toml"
    config.write_text(f'[providers.openai]\napi_keys = ["{KEY}", "env:OTHER"]\n')
    config.chmod(0o600)
    for args in (("providers",), ("providers", "--json"), ("providers", "--log-level", "debug")):
        ended = penstock(*args, cwd=tmp_path, OTHER="sk-test-another-one")
        assert ended.code == 0
        assert "sk-test" not in ended.out + ended.err


def test_an_address_of_the_users_is_told_as_it_was_given(tmp_path):
    (tmp_path / "penstock.toml").write_text('[providers.ollama]\nbase_url = "http://127.0.0.1:8000/v1"\n')
    assert listed(penstock("providers", "--json", cwd=tmp_path))["ollama"]["base_url"] == "http://127.0.0.1:8000/v1"
