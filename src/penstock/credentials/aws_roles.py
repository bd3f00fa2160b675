"""The role of the machine that this runs on: a container's endpoint, or an instance's metadata (version 2 only)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from penstock.credentials.aws_files import credentials_in, nothing_found, text_of
from penstock.credentials.sigv4 import AwsCredentials
from penstock.errors import CallError
from penstock.http import Timeouts, Transport, WireReply, WireRequest

__all__ = ["container_credentials", "instance_credentials"]

_CONTAINER: Final = "http://169.254.170.2"
_TRUSTED: Final = frozenset(("169.254.170.2", "169.254.170.23", "fd00:ec2::23", "localhost", "127.0.0.1", "::1"))
_INSTANCE: Final = "http://169.254.169.254"
_TOKEN_LASTS_S: Final = 21_600
_ROLES: Final = "/latest/meta-data/iam/security-credentials/"
_CONTAINER_TIMEOUTS: Final = Timeouts(connect=2.0, total=5.0)
_INSTANCE_TIMEOUTS: Final = Timeouts(connect=1.0, total=2.0)
"""Where there is no such endpoint nobody answers, and the search must come to its end."""


async def container_credentials(environ: Mapping[str, str], transport: Transport) -> AwsCredentials | None:
    """What the endpoint that the environment names gives (ECS, EKS pod identity); None when it names none.

    Raises `CallError` auth, unsent, when the endpoint doesn't give any.
    """
    relative, full = (environ.get(f"AWS_CONTAINER_CREDENTIALS_{which}_URI") for which in ("RELATIVE", "FULL"))
    url = _CONTAINER + relative if relative else full
    if not url:
        return None
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in _TRUSTED:
        raise nothing_found(f"no AWS credentials are asked of {parts.hostname}: neither https nor this machine's own")
    token_file = environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
    token = text_of(token_file) if token_file else environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")
    headers = {"accept": "application/json", **({"authorization": token} if token else {})}
    try:
        reply = await transport.send(WireRequest("GET", url, headers), _CONTAINER_TIMEOUTS)
    except CallError as error:
        raise nothing_found(f"the container's credentials endpoint doesn't answer: {error.message}") from error
    if reply.status != 200:
        raise nothing_found(f"the container's credentials endpoint answered with status {reply.status}")
    return credentials_in(_json(reply), "the answer of the container's credentials endpoint")


async def instance_credentials(environ: Mapping[str, str], transport: Transport) -> AwsCredentials | None:
    """What the instance's metadata says of its role; None when there is no such endpoint, or no role.

    Raises `CallError` auth, unsent, when there is a role and it gives none.
    """
    if environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        return None
    base = environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "").rstrip("/") or _INSTANCE
    lasting = {"x-aws-ec2-metadata-token-ttl-seconds": str(_TOKEN_LASTS_S)}
    try:
        token = await transport.send(WireRequest("PUT", f"{base}/latest/api/token", lasting), _INSTANCE_TIMEOUTS)
    except CallError:
        return None
    if token.status != 200:
        return None
    headers = {"x-aws-ec2-metadata-token": token.body.decode("ascii", "ignore").strip()}
    try:
        listed = await transport.send(WireRequest("GET", base + _ROLES, headers), _INSTANCE_TIMEOUTS)
        role = listed.body.decode("utf-8", "ignore").partition("\n")[0].strip()
        if listed.status == 404 or (listed.status == 200 and not role):
            return None
        said = await transport.send(WireRequest("GET", base + _ROLES + role, headers), _INSTANCE_TIMEOUTS)
    except CallError as error:
        raise nothing_found(f"the instance's metadata stopped answering: {error.message}") from error
    if listed.status != 200 or said.status != 200:
        raise nothing_found(f"the instance's metadata gives no credentials: status {max(listed.status, said.status)}")
    return credentials_in(_json(said), f"the metadata of the instance's role {role}")


def _json(reply: WireReply) -> Any:
    try:
        return msgspec.json.decode(reply.body)
    except (ValueError, RecursionError):
        return None
