"""What the environment, the profile files and a credential process say of AWS credentials. Reads, never writes."""

from __future__ import annotations

import asyncio
import configparser
import os
import shlex
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from penstock.credentials.keys import Secret
from penstock.credentials.sigv4 import AwsCredentials
from penstock.errors import CallError

__all__ = [
    "aws_region",
    "credentials_in",
    "in_environment",
    "in_profile",
    "nothing_found",
    "of_process",
    "profile_files",
    "read_profiles",
    "text_of",
]

_PROCESS_WAIT_S: Final = 60.0
_MAX_FILE_BYTES: Final = 1024 * 1024


def nothing_found(why: str) -> CallError:
    """The error when there are no credentials: nothing was sent."""
    return CallError("auth", why, sent=False)


def in_environment(environ: Mapping[str, str]) -> AwsCredentials | None:
    """The access key in the environment, None when it is not whole."""
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    return _key(*[environ.get(name, "") for name in names])


def in_profile(said: Mapping[str, str]) -> AwsCredentials | None:
    """The access key that stands in a profile itself, None when it is not whole."""
    return _key(*[said.get(name, "") for name in ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")])


def _key(access_key_id: str, secret: str, token: str) -> AwsCredentials | None:
    if not access_key_id or not secret:
        return None
    return AwsCredentials(access_key_id, Secret(secret), Secret(token) if token else None)


def profile_files(environ: Mapping[str, str]) -> str:
    """The names of the profile files, for messages."""
    return " and ".join(str(path) for path in _paths(environ))


def _paths(environ: Mapping[str, str]) -> tuple[Path, Path]:
    home = Path(environ.get("HOME") or Path.home()) / ".aws"
    return (
        Path(environ.get("AWS_SHARED_CREDENTIALS_FILE") or home / "credentials").expanduser(),
        Path(environ.get("AWS_CONFIG_FILE") or home / "config").expanduser(),
    )


def read_profiles(environ: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Every profile by name, the credentials file before the config file. Raises `CallError` auth, unsent."""
    credentials, config = _paths(environ)
    profiles: dict[str, dict[str, str]] = {}
    for section, said in _sections(config).items():
        name = "default" if section == "default" else _profile_of(section)
        if name:
            profiles[name] = said
    for section, said in _sections(credentials).items():
        profiles[section] = {**profiles.get(section, {}), **said}
    return profiles


def _profile_of(section: str) -> str:
    try:
        words = shlex.split(section)
    except ValueError:
        return ""
    return words[1] if len(words) == 2 and words[0] == "profile" else ""


def _sections(path: Path) -> dict[str, dict[str, str]]:
    if not path.is_file():
        return {}
    parser = configparser.RawConfigParser(default_section="\0", strict=False)
    try:
        parser.read_string(text_of(path))
    except configparser.Error as error:
        # Its message quotes lines, and a line may be a secret.
        raise nothing_found(f"{path} can't be read: {type(error).__name__}") from None
    return {section: dict(parser.items(section)) for section in parser.sections()}


def text_of(path: str | Path) -> str:
    """A small file, without the white space around it. Raises `CallError` auth, unsent."""
    try:
        with Path(path).open("rb") as file:
            return file.read(_MAX_FILE_BYTES).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise nothing_found(f"{path} can't be read: {error.__class__.__name__}") from None


def aws_region(environ: Mapping[str, str], *, profile: str | None = None) -> str | None:
    """The region that the environment or the profile names; None when neither does."""
    named = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    if named:
        return named
    profile = profile or environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE") or "default"
    return read_profiles(environ).get(profile, {}).get("region")


def credentials_in(said: Any, where: str) -> AwsCredentials:
    """The credentials in an endpoint's or a process's JSON object. Raises `CallError` auth, unsent."""
    try:
        expires = said.get("Expiration")
        token = said.get("Token") or said.get("SessionToken")
        return AwsCredentials(
            said["AccessKeyId"],
            Secret(said["SecretAccessKey"]),
            Secret(token) if token else None,
            datetime.fromisoformat(expires).timestamp() if expires else None,
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        raise nothing_found(f"{where} holds no AWS credentials") from None


async def of_process(command: str) -> AwsCredentials:
    """What a profile's `credential_process` prints. Raises `CallError` auth, unsent."""
    try:
        words = shlex.split(command, posix=os.name != "nt")
        process = await asyncio.create_subprocess_exec(
            *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
    except (OSError, ValueError) as error:
        raise nothing_found(f"the credential_process can't be started: {error.__class__.__name__}") from None
    try:
        async with asyncio.timeout(_PROCESS_WAIT_S):
            printed, _ = await process.communicate()
    except TimeoutError:
        raise nothing_found(f"the credential_process hasn't ended after {_PROCESS_WAIT_S:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise nothing_found(f"the credential_process ended with status {process.returncode}")
    try:
        said = msgspec.json.decode(printed)
    except (ValueError, RecursionError):
        said = None
    return credentials_in(said, "what the credential_process printed")
