"""Where AWS credentials are found, in which order, and how they are renewed before they expire."""

import asyncio
import json
import sys
from datetime import UTC, datetime

import pytest

from penstock.credentials import Secret
from penstock.credentials.aws import AwsFinder, RefreshedCredentials
from penstock.credentials.aws_files import aws_region
from penstock.credentials.sigv4 import AwsCredentials
from penstock.errors import CallError
from penstock.http import WireReply
from penstock.testing import FakeTransport, run

STS = b"""<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAROLE</AccessKeyId>
<SecretAccessKey>role</SecretAccessKey><SessionToken>session</SessionToken>
<Expiration>2030-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""
ROLE = {"AccessKeyId": "ASIAMACHINE", "SecretAccessKey": "machine", "Token": "t", "Expiration": "2030-01-01T00:00:00Z"}
NOBODY = CallError("transport", "nobody answers", sent=False)
IN_2030_S = datetime(2030, 1, 1, tzinfo=UTC).timestamp()


def found(environ, script=(), *, profile=None, transport=None) -> AwsCredentials:
    transport = transport or FakeTransport(script)
    return run(lambda: AwsFinder(environ, transport, profile=profile)())


def refused(environ, script=(), *, profile=None) -> CallError:
    with pytest.raises(CallError) as error:
        found(environ, script, profile=profile)
    assert (error.value.kind, error.value.sent) == ("auth", False)
    return error.value


@pytest.fixture
def home(tmp_path):
    """An environment with profile files: `write(config, credentials)`."""

    def write(config: str = "", credentials: str = "", **more: str) -> dict[str, str]:
        folder = tmp_path / ".aws"
        folder.mkdir(exist_ok=True)
        (folder / "config").write_text(config, encoding="utf-8")
        (folder / "credentials").write_text(credentials, encoding="utf-8")
        return {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true", **more}

    return write


def test_the_environment_comes_first(home):
    environ = home(
        credentials="[default]\naws_access_key_id = AKFILE\naws_secret_access_key = file\n",
        AWS_ACCESS_KEY_ID="AKENV",
        AWS_SECRET_ACCESS_KEY="env",
        AWS_SESSION_TOKEN="token",
    )
    assert found(environ) == AwsCredentials("AKENV", Secret("env"), Secret("token"))
    # A profile that was asked for by name comes before it.
    assert found(environ, profile="default") == AwsCredentials("AKFILE", Secret("file"))


@pytest.mark.parametrize("which", ["config", "credentials"])
def test_a_profiles_key_is_found_in_either_file(home, which):
    section = "[profile work]" if which == "config" else "[work]"
    text = f"{section}\naws_access_key_id=AK\naws_secret_access_key=secret%with%percents\naws_session_token=t\n"
    environ = home(**{which: text}, AWS_PROFILE="work")
    assert found(environ) == AwsCredentials("AK", Secret("secret%with%percents"), Secret("t"))


def test_the_region_is_the_environments_or_the_profiles(home):
    environ = home("[default]\nregion = eu-west-1\n[profile work]\nregion=eu-central-1\n")
    assert aws_region(environ) == "eu-west-1"
    assert aws_region(environ, profile="work") == "eu-central-1"
    assert aws_region({**environ, "AWS_DEFAULT_REGION": "us-east-1"}) == "us-east-1"
    assert aws_region({**environ, "AWS_PROFILE": "none"}) is None


def test_a_profile_that_is_not_there_is_named(home):
    assert "'other'" in str(refused(home(), profile="other"))


def test_a_broken_profile_file_shows_none_of_its_lines(home):
    error = refused(home(credentials="aws_secret_access_key = hush\n"))
    assert "hush" not in str(error)
    assert error.__cause__ is None


def test_a_role_is_assumed_with_its_source(home):
    environ = home(
        "[profile work]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\nexternal_id = x\nregion=eu-west-1\n",
        "[base]\naws_access_key_id = AKBASE\naws_secret_access_key = base\n",
    )
    transport = FakeTransport([WireReply(200, {}, STS)])
    credentials = found(environ, profile="work", transport=transport)
    assert credentials == AwsCredentials("ASIAROLE", Secret("role"), Secret("session"), IN_2030_S)
    (asked,) = transport.requests
    assert asked.url == "https://sts.eu-west-1.amazonaws.com/"
    assert b"Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr" in asked.body
    assert b"ExternalId=x" in asked.body
    assert "Credential=AKBASE/" in asked.headers["authorization"]


def test_a_refused_role_says_why(home):
    environ = home(
        "[default]\nrole_arn = arn:r\nsource_profile = default\naws_access_key_id = AK\naws_secret_access_key = s\n"
    )
    denied = b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>not allowed</Message></Error></ErrorResponse>"
    assert "not allowed" in str(refused(environ, [WireReply(403, {}, denied)]))


def test_profiles_that_are_each_others_source_end(home):
    environ = home(
        "[profile a]\nrole_arn = r\nsource_profile = b\n[profile b]\nrole_arn = r\nsource_profile = a\n",
        AWS_PROFILE="a",
    )
    assert "its own source" in str(refused(environ))


def test_a_web_identity_is_shown_unsigned(home, tmp_path):
    (tmp_path / "token").write_text("a.b.c\n", encoding="utf-8")
    environ = home(AWS_ROLE_ARN="arn:r", AWS_WEB_IDENTITY_TOKEN_FILE=str(tmp_path / "token"), AWS_REGION="eu-west-1")
    transport = FakeTransport([WireReply(200, {}, STS)])
    assert found(environ, transport=transport).access_key_id == "ASIAROLE"
    assert b"WebIdentityToken=a.b.c&" in transport.requests[0].body
    assert "authorization" not in transport.requests[0].headers


def test_a_process_prints_credentials(home, tmp_path):
    script = tmp_path / "print.py"
    script.write_text(f"print('''{json.dumps({**ROLE, 'Version': 1})}''')", encoding="utf-8")
    environ = home(f"[default]\ncredential_process = {sys.executable} {script}\n")
    finder = AwsFinder(environ, FakeTransport([]))
    assert asyncio.run(finder()).expires_at_s == IN_2030_S


def test_a_process_that_fails_says_its_status(home, tmp_path):
    script = tmp_path / "fail.py"
    script.write_text("raise SystemExit(3)", encoding="utf-8")
    environ = home(f"[default]\ncredential_process = {sys.executable} {script}\n")
    with pytest.raises(CallError, match="status 3"):
        asyncio.run(AwsFinder(environ, FakeTransport([]))())


def test_single_sign_on_is_refused_with_the_way_round_it(home):
    environ = home("[default]\nsso_session = x\n")
    assert "credential_process = aws configure export-credentials --profile default" in str(refused(environ))


def test_a_container_is_asked_with_its_token(home, tmp_path):
    (tmp_path / "token").write_text("container-token\n", encoding="utf-8")
    environ = home(
        AWS_CONTAINER_CREDENTIALS_RELATIVE_URI="/v2/credentials/1",
        AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=str(tmp_path / "token"),
    )
    transport = FakeTransport([WireReply(200, {}, json.dumps(ROLE).encode())])
    credentials = found(environ, transport=transport)
    assert credentials == AwsCredentials("ASIAMACHINE", Secret("machine"), Secret("t"), IN_2030_S)
    assert transport.requests[0].url == "http://169.254.170.2/v2/credentials/1"
    assert transport.requests[0].headers["authorization"] == "container-token"


def test_no_token_is_sent_in_the_clear_to_another_machine(home):
    environ = home(AWS_CONTAINER_CREDENTIALS_FULL_URI="http://example.com/", AWS_CONTAINER_AUTHORIZATION_TOKEN="t")
    assert "example.com" in str(refused(environ))


def test_an_instance_is_asked_for_its_role_with_a_token(home):
    environ = home()
    del environ["AWS_EC2_METADATA_DISABLED"]
    replies = [
        WireReply(200, {}, b"TOKEN"),
        WireReply(200, {}, b"my-role\n"),
        WireReply(200, {}, json.dumps(ROLE).encode()),
    ]
    transport = FakeTransport(replies)
    assert found(environ, transport=transport).access_key_id == "ASIAMACHINE"
    assert [request.method for request in transport.requests] == ["PUT", "GET", "GET"]
    assert transport.requests[2].url.endswith("/latest/meta-data/iam/security-credentials/my-role")
    assert transport.requests[2].headers == {"x-aws-ec2-metadata-token": "TOKEN"}


@pytest.mark.parametrize(
    "script",
    [[NOBODY], [WireReply(403, {})], [WireReply(200, {}, b"T"), WireReply(404, {})]],
    ids=["none", "off", "no role"],
)
def test_a_machine_without_a_role_says_where_was_looked(home, script):
    environ = home()
    del environ["AWS_EC2_METADATA_DISABLED"]
    error = refused(environ, script)
    assert "AWS_ACCESS_KEY_ID" in str(error)
    assert "this machine has no role" in str(error)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"AccessKeyId": 1}', b'{"Code": "Failed"}'])
def test_an_endpoint_that_gives_nothing_is_an_error(home, body):
    environ = home(AWS_CONTAINER_CREDENTIALS_RELATIVE_URI="/x")
    assert "holds no AWS credentials" in str(refused(environ, [WireReply(200, {}, body)]))


class Source:
    """Credentials that last 3,600 seconds, found in one second; every search is counted."""

    def __init__(self) -> None:
        self.searches = 0
        self.fails = False

    async def __call__(self) -> AwsCredentials:
        self.searches += 1
        await asyncio.sleep(1)
        if self.fails:
            raise CallError("auth", "not now", sent=False)
        return AwsCredentials(f"AK{self.searches}", Secret("s"), Secret("t"), asyncio.get_running_loop().time() + 3600)


def refreshing(test):
    source = Source()

    async def main():
        loop = asyncio.get_running_loop()
        await test(source, RefreshedCredentials(source, now_s=loop.time), loop)

    run(main)


def test_many_who_need_credentials_make_one_search():
    async def test(source, refreshed, loop):
        assert refreshed.current() is None
        tasks = [asyncio.ensure_future(refreshed.find()) for _ in range(100)]
        await asyncio.sleep(0.5)
        tasks[0].cancel()
        names = {credentials.access_key_id for credentials in await asyncio.gather(*tasks[1:])}
        assert (names, source.searches) == ({"AK1"}, 1)

    refreshing(test)


def test_credentials_are_renewed_beside_the_requests_before_they_expire():
    async def test(source, refreshed, loop):
        await refreshed.find()
        loop.advance(3100)
        assert refreshed.current().access_key_id == refreshed.current().access_key_id == "AK1"
        await asyncio.sleep(2)
        assert (refreshed.current().access_key_id, source.searches) == ("AK2", 2)

    refreshing(test)


def test_old_credentials_go_on_while_they_can_when_renewing_fails():
    async def test(source, refreshed, loop):
        await refreshed.find()
        source.fails = True
        loop.advance(3100)
        for _ in range(20):
            assert refreshed.current().access_key_id == "AK1"
            await asyncio.sleep(1)
        assert source.searches == 2
        loop.advance(500)
        assert refreshed.current() is None
        with pytest.raises(CallError, match="not now"):
            await refreshed.find()

    refreshing(test)


def test_what_was_refused_as_expired_is_found_anew():
    async def test(source, refreshed, loop):
        first = await refreshed.find()
        assert refreshed.forget(first)
        assert refreshed.current() is None
        assert (await refreshed.find()).access_key_id == "AK2"

    refreshing(test)
