"""Generated requests, whatever is in them, get the signature that AWS's own library gives them."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import example, given, settings
from hypothesis import strategies as st

from penstock.credentials import Secret
from penstock.credentials.sigv4 import AwsCredentials, sign
from penstock.http import WireRequest


class At(SigV4Auth):
    """AWS's signature at an instant that is told, instead of now."""

    def __init__(self, credentials: Credentials, service: str, region: str, now_s: float) -> None:
        super().__init__(credentials, service, region)
        self.stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_s))

    def add_auth(self, request: Any) -> None:
        request.context["timestamp"] = self.stamp
        self._modify_request_before_signing(request)
        to_sign = self.string_to_sign(request, self.canonical_request(request))
        self._inject_signature_to_request(request, self.signature(to_sign, request))


TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
ODD = st.sampled_from(
    [
        *("", ".", "..", "...", "%2E", "%2F", "%25", "~", "a.b-v1%3A0"),
        *("ሴ", "a b", "+", "a;b", "*", "=", "@"),
    ]
)
ARN = "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-v1:0"
SEGMENTS = st.one_of(ODD, TEXT.map(lambda text: quote(text, safe="~:@")), st.just(quote(ARN, safe="")))
PATHS = st.lists(SEGMENTS, max_size=6).map(lambda segments: "/" + "/".join(segments))
NAMES = TEXT.map(lambda text: quote(text, safe="-_.~"))
ODD_PAIRS = st.sampled_from(["", "=", "a=b=c", "a=/?:@"])
PAIRS = st.one_of(st.tuples(NAMES, st.just("="), NAMES).map("".join), NAMES, ODD_PAIRS)
QUERIES = st.one_of(st.just(""), st.lists(PAIRS, max_size=5).map(lambda pairs: "?" + "&".join(pairs)))
HOSTS = st.sampled_from(
    [
        *("bedrock-runtime.us-east-1.amazonaws.com", "bedrock-runtime.us-east-1.amazonaws.com:443", "EXAMPLE.com"),
        *("127.0.0.1:8080", "[::1]", "[::1]:4200", "example.com:80"),
    ]
)
HEADER_NAMES = st.one_of(
    st.sampled_from(["content-type", "Accept", "user-agent", "X-Amzn-Trace-Id", "expect", "Host", "X-Amz-Target"]),
    st.from_regex(r"\A[A-Za-z][A-Za-z0-9-]{0,12}\Z"),
).filter(lambda name: name.lower() not in ("date", "x-amz-date", "x-amz-security-token"))
HEADERS = st.dictionaries(
    HEADER_NAMES,
    st.text(st.characters(codec="latin-1", exclude_categories=("Cc",)) | st.just("\t"), max_size=20),
    max_size=5,
).filter(lambda headers: len({name.lower() for name in headers}) == len(headers))
SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60)


@st.composite
def requests(draw: st.DrawFn) -> WireRequest:
    url = f"{draw(st.sampled_from(['https', 'http']))}://{draw(HOSTS)}{draw(PATHS)}{draw(QUERIES)}"
    return WireRequest(draw(st.sampled_from(["GET", "POST", "PUT"])), url, draw(HEADERS), draw(st.binary(max_size=64)))


ASKED = WireRequest("POST", f"https://b.test/model/{quote(ARN, safe='')}/converse", {"content-type": "x"}, b"{}")


@settings(max_examples=2000, deadline=None)
@given(
    request=requests(),
    key=st.from_regex(r"\AAK[A-Z0-9]{2,18}\Z"),
    secret=SECRETS,
    token=st.none() | SECRETS,
    region=st.sampled_from(["us-east-1", "eu-central-1", "us-gov-west-1"]),
    service=st.sampled_from(["bedrock", "sts"]),
    now_s=st.integers(0, 4_000_000_000).map(float),
)
@example(request=ASKED, key="AKID", secret="s", token="t", region="us-east-1", service="bedrock", now_s=1.0)
def test_every_request_is_signed_as_botocore_signs_it(
    request: WireRequest, key: str, secret: str, token: str | None, region: str, service: str, now_s: float
) -> None:
    theirs = AWSRequest(method=request.method, url=request.url, headers=dict(request.headers), data=request.body)
    At(Credentials(key, secret, token), service, region, now_s).add_auth(theirs)
    credentials = AwsCredentials(key, Secret(secret), Secret(token) if token else None)
    ours = sign(request, credentials, region=region, service=service, now_s=now_s)
    assert ours["authorization"] == theirs.headers["Authorization"]
    assert (ours["x-amz-date"], ours.get("x-amz-security-token")) == (theirs.headers["X-Amz-Date"], token)
