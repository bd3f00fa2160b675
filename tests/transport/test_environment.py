from __future__ import annotations

from pathlib import Path

import pytest

from penstock.errors import ConfigError
from penstock.http import Pool
from penstock.transport.environment import ProxyRules, proxy_rules, trusted_pem

_PROXY = "http://proxy:3128"
_PEM = "-----BEGIN CERTIFICATE-----\nnot a real one\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("environ", "http", "https"),
    [
        ({}, None, None),
        ({"HTTP_PROXY": _PROXY}, _PROXY, None),
        ({"https_proxy": _PROXY}, None, _PROXY),
        ({"ALL_PROXY": _PROXY}, _PROXY, _PROXY),
        ({"ALL_PROXY": "socks5://s:1", "HTTPS_PROXY": _PROXY}, "socks5://s:1", _PROXY),
        ({"http_proxy": "http://low:1", "HTTP_PROXY": "http://up:1"}, "http://low:1", None),
        ({"HTTP_PROXY": "proxy:3128"}, _PROXY, None),
        ({"HTTP_PROXY": ""}, None, None),
        ({"HTTP_PROXY": _PROXY, "REQUEST_METHOD": "GET"}, None, None),
    ],
)
def test_proxies_come_from_the_environment(environ: dict[str, str], http: str | None, https: str | None) -> None:
    rules = proxy_rules(Pool(), environ)
    assert (rules.proxy_for("http://a.example/x"), rules.proxy_for("https://a.example/x")) == (http, https)
    assert bool(rules) is bool(http or https)


def test_own_proxy_is_for_everything_and_an_empty_one_for_nothing() -> None:
    environ = {"ALL_PROXY": "http://other:1", "NO_PROXY": "*"}
    assert proxy_rules(Pool(proxy=_PROXY), environ).proxy_for("https://a.example") == _PROXY
    assert not proxy_rules(Pool(proxy=""), environ)


@pytest.mark.parametrize("value", ["ftp://proxy:1", "http://", "http://proxy:port", "://"])
def test_proxy_that_is_none_is_named_without_its_password(value: str) -> None:
    with pytest.raises(ConfigError, match="HTTPS_PROXY") as failure:
        proxy_rules(Pool(), {"HTTPS_PROXY": value.replace("//", "//user:pass-word@")})
    assert "pass-word" not in str(failure.value)


@pytest.mark.parametrize(
    ("no_proxy", "url", "is_direct"),
    [
        ("*", "http://a.example", True),
        ("a.example", "http://a.example", True),
        ("a.example", "http://b.a.example", True),
        (".a.example", "http://b.a.example", True),
        ("*.a.example", "http://b.a.example", True),
        ("a.example", "http://ba.example", False),
        ("A.Example", "http://a.EXAMPLE/", True),
        ("a.example.", "http://a.example", True),
        ("x, a.example ,y", "http://a.example", True),
        ("x a.example", "http://a.example", True),
        ("a.example:443", "https://a.example", True),
        ("a.example:443", "http://a.example", False),
        ("a.example:8080", "http://a.example:8080", True),
        ("10.0.0.0/8", "http://10.1.2.3", True),
        ("10.0.0.0/8", "http://11.1.2.3", False),
        ("10.1.2.3", "http://10.1.2.3:80", True),
        ("::1", "http://[::1]:80", True),
        ("[::1]:80", "http://[::1]", True),
        ("[::1]:81", "http://[::1]", False),
        ("fd00::/8", "http://[fd12::1]", True),
        ("", "http://a.example", False),
        (",", "http://a.example", False),
    ],
)
def test_no_proxy_covers_what_it_names(no_proxy: str, url: str, is_direct: bool) -> None:
    rules = proxy_rules(Pool(), {"ALL_PROXY": _PROXY, "NO_PROXY": no_proxy})
    assert (rules.proxy_for(url) is None) is is_direct


def test_no_rules_mean_no_proxy() -> None:
    assert ProxyRules().proxy_for("https://a.example") is None


def test_certificates_come_from_the_setting_first(tmp_path: Path) -> None:
    own, other = tmp_path / "own.pem", tmp_path / "other.pem"
    own.write_text(_PEM)
    other.write_text(_PEM + _PEM)
    assert trusted_pem(Pool(), {}) is None
    assert trusted_pem(Pool(ca_file=str(own)), {"SSL_CERT_FILE": str(other)}) == _PEM.encode()
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        assert trusted_pem(Pool(), {name: str(other)}) == (_PEM + _PEM).encode()


def test_folder_of_certificates_counts_each_file_once(tmp_path: Path) -> None:
    (tmp_path / "own.pem").write_text(_PEM)
    (tmp_path / "9d66eef0.0").symlink_to(tmp_path / "own.pem")
    (tmp_path / "notes.txt").write_text("no certificate")
    for name in ("SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"):
        assert trusted_pem(Pool(), {name: str(tmp_path)}) == _PEM.encode()


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_certificates_that_are_missing_are_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.pem").write_text("no certificate")
    for path in ("nowhere", "empty", "text.pem"):
        with pytest.raises(ConfigError, match=name):
            trusted_pem(Pool(), {name: str(tmp_path / path)})
