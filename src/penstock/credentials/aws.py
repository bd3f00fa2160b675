"""AWS credentials where AWS's own tools find them: the environment, profile files, and the machine's role."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import urlencode

from penstock.credentials.aws_files import (
    aws_region,
    credentials_in,
    in_environment,
    in_profile,
    nothing_found,
    of_process,
    profile_files,
    read_profiles,
    text_of,
)
from penstock.credentials.aws_roles import container_credentials, instance_credentials
from penstock.credentials.sigv4 import AwsCredentials, sign
from penstock.errors import CallError
from penstock.http import Timeouts, Transport, WireRequest

__all__ = ["AwsFinder", "RefreshedCredentials", "aws_region"]

REFRESH_BEFORE_S: Final = 600.0
"""What expires sooner than this is renewed beside the requests, which go on with the old."""
_MUST_REFRESH_BEFORE_S: Final = 60.0
_AGAIN_AFTER_S: Final = 30.0
_MAX_SOURCES: Final = 5
_log = logging.getLogger("penstock.credentials")

Find = Callable[[], Awaitable[AwsCredentials]]


class RefreshedCredentials:
    """What `find` found, found again before it expires: a `CredentialSource`. One search at a time; for one loop.

    `now_s` gives seconds since 1970.
    """

    __slots__ = ("_again_at_s", "_find", "_finding", "_known", "_now_s")

    def __init__(self, find: Find, *, now_s: Callable[[], float] = time.time) -> None:
        self._find = find
        self._now_s = now_s
        self._known: AwsCredentials | None = None
        self._finding: asyncio.Task[AwsCredentials] | None = None
        self._again_at_s = 0.0

    def current(self) -> AwsCredentials | None:
        """What is known and good now; near its end, a search for others begins beside."""
        known = self._known
        if known is None or known.expires_at_s is None:
            return known
        left_s = known.expires_at_s - self._now_s()
        if left_s <= _MUST_REFRESH_BEFORE_S:
            return None
        if left_s <= REFRESH_BEFORE_S and self._now_s() >= self._again_at_s:
            self._begin()
        return known

    async def find(self) -> AwsCredentials:
        """Credentials that are good now. Raises `CallError` auth, unsent, when there are none."""
        # Whoever stops waiting doesn't end the search for the others.
        known = self.current()
        return known if known is not None else await asyncio.shield(self._begin())

    def forget(self, refused: AwsCredentials) -> bool:
        """`refused` had expired: others are looked for, unless these can't change."""
        if self._known == refused:
            self._known = None
        return refused.expires_at_s is not None

    def _begin(self) -> asyncio.Task[AwsCredentials]:
        if self._finding is None:
            self._finding = asyncio.ensure_future(self._find())
            self._finding.add_done_callback(self._found)
        return self._finding

    def _found(self, finding: asyncio.Task[AwsCredentials]) -> None:
        self._finding = None
        if finding.cancelled():
            return
        error = finding.exception()
        if error is None:
            self._known = finding.result()
            return
        self._again_at_s = self._now_s() + _AGAIN_AFTER_S
        if self._known is not None:
            _log.warning("AWS credentials can't be renewed, the old ones go on: %s", error)


class AwsFinder:
    """Finds credentials as AWS's own tools do; a `find` for `RefreshedCredentials`.

    In this order: the environment (not when `profile` is given), a web identity, the profile's keys, role or process,
    the container's endpoint, the instance's role. `transport` reaches AWS's own endpoints, without a proxy.
    """

    def __init__(self, environ: Mapping[str, str], transport: Transport, *, profile: str | None = None) -> None:
        self._environ = environ
        self._transport = transport
        self._given = profile
        self._profile = profile or environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE") or "default"

    async def __call__(self) -> AwsCredentials:
        """Raises `CallError` auth, unsent, when there are none; its message says where was looked."""
        environ = self._environ
        if self._given is None:
            if found := in_environment(environ):
                return found
            if environ.get("AWS_ROLE_ARN") and environ.get("AWS_WEB_IDENTITY_TOKEN_FILE"):
                return await self._web_identity(
                    environ["AWS_ROLE_ARN"],
                    environ["AWS_WEB_IDENTITY_TOKEN_FILE"],
                    environ.get("AWS_ROLE_SESSION_NAME"),
                )
        profiles = read_profiles(environ)
        if self._profile in profiles:
            if (found := await self._of_profile(profiles, self._profile, ())) is not None:
                return found
        elif self._given is not None or self._profile != "default":
            raise nothing_found(f"there is no AWS profile {self._profile!r} in {profile_files(environ)}")
        return await self._of_machine()

    async def _of_machine(self) -> AwsCredentials:
        found = await container_credentials(self._environ, self._transport)
        found = found or await instance_credentials(self._environ, self._transport)
        if found is None:
            raise nothing_found(
                "no AWS credentials were found: not in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, not in profile"
                f" {self._profile!r} of {profile_files(self._environ)}, and this machine has no role"
            )
        return found

    async def _of_profile(
        self, profiles: Mapping[str, Mapping[str, str]], name: str, on_the_way: tuple[str, ...]
    ) -> AwsCredentials | None:
        """The credentials that profile `name` speaks of; None when it speaks of none."""
        if name in on_the_way[:-1] or len(on_the_way) > _MAX_SOURCES:
            raise nothing_found(f"AWS profile {name!r} is its own source")
        said = profiles.get(name)
        if said is None:
            raise nothing_found(
                f"there is no AWS profile {name!r}, the source of {on_the_way[-1]!r}, in {profile_files(self._environ)}"
            )
        itself = bool(on_the_way) and name == on_the_way[-1]
        if said.get("role_arn") and not itself:
            if token_file := said.get("web_identity_token_file"):
                return await self._web_identity(said["role_arn"], token_file, said.get("role_session_name"))
            return await self._assumed(profiles, name, on_the_way)
        if (kept := in_profile(said)) is not None:
            return kept
        if said.get("credential_process"):
            return await of_process(said["credential_process"])
        if said.get("sso_session") or said.get("sso_start_url"):
            raise nothing_found(
                f"AWS profile {name!r} signs in by SSO, which penstock doesn't; give the profile this line:"
                f" credential_process = aws configure export-credentials --profile {name}"
            )
        return None

    async def _assumed(
        self, profiles: Mapping[str, Mapping[str, str]], name: str, on_the_way: tuple[str, ...]
    ) -> AwsCredentials:
        """The role of profile `name`, assumed with its source's credentials."""
        said = profiles[name]
        source: AwsCredentials | None = None
        if said.get("source_profile"):
            source = await self._of_profile(profiles, said["source_profile"], (*on_the_way, name))
        elif word := said.get("credential_source"):
            source = await self._of_source(word)
        if source is None:
            raise nothing_found(f"AWS profile {name!r} has a role_arn and no credentials to assume it with")
        asked = {"Action": "AssumeRole", "RoleArn": said["role_arn"]}
        asked["RoleSessionName"] = said.get("role_session_name") or "penstock"
        for ours, theirs in (("external_id", "ExternalId"), ("duration_seconds", "DurationSeconds")):
            if said.get(ours):
                asked[theirs] = said[ours]
        return await self._ask_sts(asked, source, said.get("region"))

    async def _of_source(self, word: str) -> AwsCredentials | None:
        find: dict[str, Callable[[], Awaitable[AwsCredentials | None]]] = {
            "Ec2InstanceMetadata": lambda: instance_credentials(self._environ, self._transport),
            "EcsContainer": lambda: container_credentials(self._environ, self._transport),
        }
        if word == "Environment":
            return in_environment(self._environ)
        if word not in find:
            raise nothing_found(
                f"credential_source {word!r} isn't known: Environment, Ec2InstanceMetadata, EcsContainer"
            )
        return await find[word]()

    async def _web_identity(self, role: str, token_file: str, session: str | None) -> AwsCredentials:
        asked = {
            "Action": "AssumeRoleWithWebIdentity",
            "RoleArn": role,
            "RoleSessionName": session or "penstock",
            "WebIdentityToken": text_of(token_file),
        }
        return await self._ask_sts(asked, None, None)

    async def _ask_sts(
        self, asked: dict[str, str], source: AwsCredentials | None, region: str | None
    ) -> AwsCredentials:
        region = region or aws_region(self._environ, profile=self._profile) or "us-east-1"
        request = WireRequest(
            "POST",
            f"https://sts.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}/",
            {"content-type": "application/x-www-form-urlencoded; charset=utf-8"},
            urlencode({**asked, "Version": "2011-06-15"}).encode(),
        )
        if source is not None:
            request.headers = sign(request, source, region=region, service="sts", now_s=time.time())
        try:
            reply = await self._transport.send(request, Timeouts(total=10.0))
        except CallError as error:
            raise nothing_found(f"the role {asked['RoleArn']} can't be assumed: {error.message}") from error
        said: dict[str, str] = dict(re.findall(r"<(\w+)>([^<]*)</\1>", reply.body.decode("utf-8", "replace")))
        if reply.status != 200 or "AccessKeyId" not in said:
            why = said.get("Message") or f"status {reply.status}"
            raise nothing_found(f"the role {asked['RoleArn']} can't be assumed: {why}")
        return credentials_in(
            {**said, "Token": said.get("SessionToken")}, f"the answer for the role {asked['RoleArn']}"
        )
