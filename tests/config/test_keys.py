"""Keys are found in the promised order, and never shown."""

import pytest

from penstock.config import find_keys, load_config, parse_config
from penstock.errors import ConfigError

KEY = "sk-test-not-a-key"


def config_with(provider, environ=None, dotenv=None):
    return parse_config({"providers": {"openai": provider}}, environ=environ or {}, dotenv=dotenv)


def test_the_reference_comes_before_the_environment_and_that_before_the_dotenv_file():
    environ, dotenv = {"OPENAI_API_KEY": "from-env", "MINE": "from-reference"}, {"OPENAI_API_KEY": "from-dotenv"}
    assert find_keys(config_with({"api_key": "env:MINE"}, environ, dotenv), "openai").keys == ("from-reference",)
    found = find_keys(config_with({}, environ, dotenv), "openai")
    assert (found.keys, found.origins) == (("from-env",), ("env:OPENAI_API_KEY",))
    found = find_keys(config_with({}, {}, dotenv), "openai")
    assert (found.keys, found.origins) == (("from-dotenv",), ("OPENAI_API_KEY in .env",))


def test_no_key_says_what_to_set():
    found = find_keys(parse_config({}, environ={}), "my-vllm")
    assert not found
    assert "MY_VLLM_API_KEY" in found.looked_at


def test_a_pool_keeps_its_order_and_its_files(tmp_path):
    (tmp_path / "key").write_text(f"{KEY}\n")
    found = find_keys(config_with({"api_keys": [f"file:{tmp_path / 'key'}", "env:B"]}, {"B": "second"}), "openai")
    assert (found.keys, found.files) == ((KEY, "second"), (tmp_path / "key", None))


def test_a_variable_that_is_not_set_is_an_error():
    with pytest.raises(ConfigError, match="the environment variable NOT_THERE is not set"):
        find_keys(config_with({"api_key": "env:NOT_THERE"}), "openai")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read the key file"),
        (b"", "must hold one key"),
        (b"a b", "must hold one key"),
        (b"\xff", "plain text"),
    ],
)
def test_a_key_file_that_holds_no_key_is_an_error(tmp_path, content, message):
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        find_keys(config_with({"api_key": f"file:{path}"}), "openai")


def test_a_literal_key_is_in_no_repr_and_no_error():
    config = config_with({"api_key": KEY})
    assert find_keys(config, "openai").keys == (KEY,)
    assert KEY not in repr(config) + repr(find_keys(config, "openai"))
    with pytest.raises(ConfigError) as caught:
        config_with({"api_key": f"{KEY} and more"})
    assert KEY not in str(caught.value)


def test_the_dotenv_file_is_read_only_when_asked_and_does_without_quotes(tmp_path):
    (tmp_path / ".env").write_text("# a comment\nexport OPENAI_API_KEY='quoted key'\nOTHER=plain # why\nbroken line\n")
    asked = load_config(environ={}, directory=tmp_path, for_command=True)
    assert dict(asked.dotenv) == {"OPENAI_API_KEY": "quoted key", "OTHER": "plain"}
    assert dict(load_config(environ={}, directory=tmp_path).dotenv) == {}
