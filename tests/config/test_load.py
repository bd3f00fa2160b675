"""A configuration is found where the documentation says, read whole, and every mistake in it is named."""

import os
import re
import warnings

import pytest

from penstock.config import ConfigWarning, load_config, parse_config
from penstock.errors import ConfigError

FULL = """
default_provider = "mine"

[providers.openai]
api_key = "env:OPENAI_API_KEY"
limits = { rpm = 500, tpm = 200_000 }
organization = "org-x"
project = "proj-y"

[providers.mine]
wire = "openai"
base_url = "http://127.0.0.1:8000/v1/"
headers = { "X-Title" = "my job" }
pool = { max_connections = 50, max_body = "1MiB", idle = "5s" }
transport = "aiohttp"
prefill = "plain"

[routes.default]
targets = ["openai/gpt-4o-mini", "mine/llama"]
deadline = "30s"
hedge = "auto"
hedge_budget = 0.04
timeouts = { connect = "5s", first_token = "10s", between_tokens = "15s", total = "2m" }
min_tokens_per_s = 2.5
max_attempts = 6
fallback_on = ["context_too_long"]
stream_inside = "on"
on_break = "error"
"""


@pytest.fixture
def home(tmp_path):
    return {"HOME": str(tmp_path / "home")}


def test_every_setting_of_a_full_file_arrives(tmp_path, home):
    path = tmp_path / "penstock.toml"
    path.write_text(FULL)
    config = load_config(path, environ=home)
    assert (config.source, config.default_provider) == (str(path), "mine")
    openai, mine, route = config.providers["openai"], config.providers["mine"], config.routes["default"]
    assert (openai.limits.rpm, openai.limits.tpm, openai.limits.concurrency) == (500, 200_000, None)
    assert (openai.organization, openai.project, openai.keys[0].origin) == ("org-x", "proj-y", "env:OPENAI_API_KEY")
    assert (mine.wire, mine.base_url, mine.transport) == ("openai", "http://127.0.0.1:8000/v1", "aiohttp")
    assert (mine.pool.max_connections, mine.pool.max_body_bytes, mine.pool.idle_s) == (50, 2**20, 5.0)
    assert mine.headers == {"X-Title": "my job"}
    assert (mine.prefill, openai.prefill) == ("plain", None)
    assert route.targets == ("openai/gpt-4o-mini", "mine/llama")
    assert (route.deadline_s, route.max_attempts, route.fallback_on) == (30.0, 6, ("context_too_long",))
    assert (route.hedge, route.hedge_budget, route.min_tokens_per_s) == ("auto", 0.04, 2.5)
    assert (route.stream_inside, route.on_break) == ("on", "error")
    assert (route.timeouts.connect, route.timeouts.first_token, route.timeouts.total) == (5.0, 10.0, 120.0)


def test_the_working_directory_comes_before_the_users_folder(tmp_path, home):
    user = tmp_path / "home" / ".config" / "penstock"
    user.mkdir(parents=True)
    (user / "penstock.toml").write_text('default_provider = "of-the-user"')
    assert load_config(environ=home, directory=tmp_path).default_provider == "of-the-user"
    (tmp_path / "penstock.toml").write_text('default_provider = "of-the-directory"')
    assert load_config(environ=home, directory=tmp_path).default_provider == "of-the-directory"


def test_the_variable_overrides_the_search_and_a_path_overrides_the_variable(tmp_path, home):
    (tmp_path / "penstock.toml").write_text('default_provider = "found"')
    (tmp_path / "named.toml").write_text('default_provider = "named"')
    (tmp_path / "given.toml").write_text('default_provider = "given"')
    environ = {**home, "PENSTOCK_CONFIG": str(tmp_path / "named.toml")}
    assert load_config(environ=environ, directory=tmp_path).default_provider == "named"
    assert load_config(tmp_path / "given.toml", environ=environ, directory=tmp_path).default_provider == "given"


def test_without_any_file_everything_is_default(tmp_path, home):
    config = load_config(environ=home, directory=tmp_path)
    assert (config.source, dict(config.providers), dict(config.routes)) == (None, {}, {})


@pytest.mark.parametrize("source", [3, [], True, b"penstock.toml"])
def test_what_is_neither_a_path_nor_a_table_is_refused(source):
    with pytest.raises(ConfigError, match="config: expected a path, a table or what load_config read, got"):
        load_config(source)


def test_a_named_file_that_is_missing_is_an_error(tmp_path, home):
    with pytest.raises(ConfigError, match=r"cannot read the configuration .*nowhere\.toml"):
        load_config(environ={**home, "PENSTOCK_CONFIG": str(tmp_path / "nowhere.toml")})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("defualt_provider = 'x'", 'at the top: unknown key "defualt_provider"; did you mean "default_provider"'),
        ("[providers.openai]\napi_kye = 'x'", '[providers.openai]: unknown key "api_kye"; did you mean "api_key"'),
        ("[providers.openai]\nlimits = {rmp = 1}", '[providers.openai.limits]: unknown key "rmp"; did you mean "rpm"'),
        (
            "[providers.openai]\nlimits = {rpm = 0}",
            "[providers.openai.limits] rpm: expected a whole number above 0, got 0",
        ),
        ("[providers.openai]\nlimits = {rpm = true}", "expected a whole number above 0, got True"),
        ("[providers.x]\nwire = 'opnai'", 'unknown value "opnai"; did you mean "openai"'),
        ("[providers.x]\nwire = 'smtp'", 'unknown value "smtp"'),
        ("[providers.x]\nbase_url = 'localhost:8000'", "expected an address such as"),
        ("[providers.x]\ntransport = 'requests'", 'unknown value "requests"'),
        ("[providers.x]\nprefill = 'prefixed'", 'unknown value "prefixed"'),
        ("[providers.x]\npool = {http2 = true}", "HTTP/2 is not supported"),
        ("[providers.x]\nheaders = {'a b' = 'c'}", '"a b" is no header field'),
        ("[providers.x]\napi_key = 'env:'", '"env:" names nothing'),
        ("[providers.x]\napi_key = 'env:A'\napi_keys = ['env:B']", "exclude each other"),
        ("[providers]\nopenai = 3", "[providers] openai: expected a table, got 3"),
        ("providers = 3", "providers: expected a table of named tables"),
        ("[routes.r]\ndeadline = '30s'", "[routes] r: a route needs targets"),
        ("[routes.r]\ntargets = []", "expected a list of text"),
        ("[routes.'a/b']\ntargets = ['x/y']", "a route's name has no slash"),
        ("[routes.r]\ntargets = ['x/y']\ndeadline = 'soon'", '[routes.r] deadline: expected a duration such as "30s"'),
        ("[routes.r]\ntargets = ['x/y']\ntimeouts = {conect = 1}", 'unknown key "conect"; did you mean "connect"'),
        ("[routes.r]\ntargets = ['x/y']\nfallback_on = ['rate_limited']", 'unknown value "rate_limited"'),
        ("[providers.openai]\nlimits = {rpd = 10}", "rpd: a limit per day is not supported yet"),
        ("[cache]\nstore = 'sqlit'", 'expected "off", "memory", "sqlite"'),
        (
            "[cache]\nstore = 'sqlite:.'",
            '[cache] store: "." is a folder; expected a file, such as "sqlite:./answers.sqlite"',
        ),
        ("[gateway]\nport = 1", "gateway: the gateway is not supported yet"),
        ("a = [", "not valid TOML: "),
    ],
)
def test_a_mistake_names_the_file_and_the_place(tmp_path, home, text, message):
    path = tmp_path / "penstock.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        load_config(path, environ=home)
    assert str(path) in str(caught.value)


def test_a_dict_is_read_like_a_file():
    assert (
        parse_config({"providers": {"x": {"base_url": "http://127.0.0.1:1"}}}).provider("x").base_url
        == "http://127.0.0.1:1"
    )
    with pytest.raises(ConfigError, match=r'config: \[providers.x\]: unknown key "bse_url"; did you mean "base_url"'):
        parse_config({"providers": {"x": {"bse_url": "http://127.0.0.1:1"}}})


@pytest.mark.skipif(os.name != "posix", reason="the mode of a file")
def test_a_literal_key_in_a_file_that_others_can_read_is_warned_of_without_showing_it(tmp_path, home):
    path = tmp_path / "penstock.toml"
    path.write_text('[providers.openai]\napi_key = "sk-test-not-a-key"')
    path.chmod(0o644)
    with pytest.warns(ConfigWarning, match="others can read this file") as warned:
        config = load_config(path, environ=home)
    assert "sk-test-not-a-key" not in str(warned[0].message) + repr(config)
    path.chmod(0o600)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_config(path, environ=home)
