"""AWS signatures: those of the reference implementation, on every attempt, with the server's idea of the time."""

import json
from pathlib import Path

import pytest

from penstock.credentials import Secret
from penstock.credentials.sigv4 import AwsCredentials, Given, SigV4, sign
from penstock.errors import CallError
from penstock.http import WireReply, WireRequest

# Generated requests with the signatures that botocore 1.44 gives them.
VECTORS = json.loads((Path(__file__).parent / "data" / "sigv4.json").read_text(encoding="utf-8"))
EXAMPLE = AwsCredentials("AKIDEXAMPLE", Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"))
NOON_S = 1440938160.0  # 2015-08-30 12:36:00 UTC
URL = "https://bedrock-runtime.us-east-1.amazonaws.com/model/a.b-v1%3A0/converse"


class Renewed:
    """A source whose second credentials are others."""

    def __init__(self) -> None:
        self.found = [AwsCredentials("AKIDSECOND", Secret("second")), AwsCredentials("AKIDFIRST", Secret("first"))]

    def current(self) -> AwsCredentials:
        return self.found[-1]

    async def find(self) -> AwsCredentials:
        return self.found[-1]

    def forget(self, refused: AwsCredentials) -> bool:
        return self.found.pop() is refused


def ask() -> WireRequest:
    return WireRequest("POST", URL, {"content-type": "application/json"}, b"{}")


def refusal(message: str, *, date: str = "Sun, 30 Aug 2015 13:06:00 GMT", status: int = 403) -> WireReply:
    headers = {"date": date, "x-amzn-errortype": "InvalidSignatureException:http://internal.amazon.com/coral/"}
    return WireReply(status, headers, json.dumps({"message": message}).encode())


def signer(source=None) -> SigV4:
    made = SigV4(source or Given(EXAMPLE), region="us-east-1", now_s=lambda: NOON_S)
    assert made.waits() is None
    return made


@pytest.mark.parametrize("vector", VECTORS, ids=range(len(VECTORS)))
def test_signatures_are_the_reference_implementations(vector):
    token = Secret(vector["token"]) if vector["token"] else None
    headers = sign(
        WireRequest(vector["method"], vector["url"], vector["headers"], bytes.fromhex(vector["body"])),
        AwsCredentials(vector["key"], Secret(vector["secret"]), token),
        region=vector["region"],
        service=vector["service"],
        now_s=vector["now_s"],
    )
    assert headers["authorization"] == vector["authorization"]


@pytest.mark.parametrize(
    ("path", "signature"),
    [
        ("/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("//", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("/example/..", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("/ሴ", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
        ("/?Param2=value2&Param1=value1", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
        ("/?ሴ=bar", "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
    ],
)
def test_the_official_vectors_are_signed_alike(path, signature):
    request = WireRequest("GET", f"https://example.amazonaws.com{path}", {})
    headers = sign(request, EXAMPLE, region="us-east-1", service="service", now_s=NOON_S)
    assert headers["authorization"].endswith(f"SignedHeaders=host;x-amz-date, Signature={signature}")


def test_given_headers_stay_and_the_shared_ones_are_not_touched():
    request = ask()
    shared = request.headers
    headers = sign(request, EXAMPLE, region="us-east-1", service="bedrock", now_s=NOON_S)
    assert headers["content-type"] == "application/json"
    assert shared == {"content-type": "application/json"}


def test_the_secret_is_in_no_header_and_no_repr():
    headers = sign(ask(), EXAMPLE, region="us-east-1", service="bedrock", now_s=NOON_S)
    assert EXAMPLE.secret_access_key.reveal() not in f"{headers}{EXAMPLE!r}"


def test_every_attempt_is_signed_with_the_time_of_now():
    instants = iter([NOON_S, NOON_S + 90])
    signer = SigV4(Given(EXAMPLE), region="us-east-1", now_s=lambda: next(instants))
    signer.waits()
    assert [signer.sign(ask()).headers["x-amz-date"] for _ in range(2)] == ["20150830T123600Z", "20150830T123730Z"]


def test_signing_what_was_signed_gives_the_same_as_signing_anew():
    credential = signer(Given(AwsCredentials("AKID", Secret("secret"), Secret("token"))))
    once = credential.sign(ask())
    assert once.headers["x-amz-security-token"] == "token"
    assert credential.sign(once) == once


@pytest.mark.parametrize(
    "message",
    [
        "Signature expired: 20150830T123600Z is now earlier than 20150830T130100Z (20150830T130600Z - 5 min.)",
        "Signature not yet current: 20150830T123600Z is still later than 20150830T101100Z",
    ],
)
def test_a_wrong_clock_is_put_right_by_the_refusal(message):
    credential = signer()
    first, second = credential.sign(ask()), credential.sign(ask())
    assert credential.renewed(first, refusal(message))
    assert credential.skew_s == 1800.0
    # Sent before the clock was put right: worth another try as well.
    assert credential.renewed(second, refusal(message))
    right = credential.sign(ask())
    assert right.headers["x-amz-date"] == "20150830T130600Z"
    # Still refused with the right time: that was not it.
    assert not credential.renewed(right, refusal(message))


@pytest.mark.parametrize("date", ["", "yesterday", "Sun, 30 Aug 2015 12:36:05 GMT"])
def test_a_refusal_without_another_time_is_final(date):
    credential = signer()
    refused = refusal("Signature expired: x is now earlier than y", date=date)
    assert not credential.renewed(credential.sign(ask()), refused)


@pytest.mark.parametrize(
    ("message", "status"),
    [("The security token included in the request is invalid.", 403), ("Signature expired", 500), ("no access", 403)],
)
def test_other_refusals_teach_nothing(message, status):
    credential = signer()
    assert not credential.renewed(credential.sign(ask()), refusal(message, status=status))
    assert credential.skew_s == 0.0


def test_an_expired_session_is_renewed_before_the_next_attempt():
    credential = signer(Renewed())
    first = credential.sign(ask())
    assert "AKIDFIRST" in first.headers["authorization"]
    assert credential.renewed(first, refusal("The security token included in the request is expired"))
    assert credential.waits() is None
    assert "AKIDSECOND" in credential.sign(ask()).headers["authorization"]


def test_an_expired_session_that_was_handed_in_is_final():
    credential = signer()
    assert not credential.renewed(credential.sign(ask()), refusal("The security token ... is expired"))


def test_nothing_is_signed_without_credentials():
    with pytest.raises(CallError) as error:
        SigV4(Given(EXAMPLE), region="us-east-1").sign(ask())
    assert (error.value.kind, error.value.sent) == ("auth", False)
