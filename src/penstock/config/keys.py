"""Where a provider's keys come from: the configuration's reference, then the environment, then a `.env` file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from penstock.credentials import read_key
from penstock.errors import ConfigError

if TYPE_CHECKING:
    from penstock.config.schema import Config
    from penstock.config.values import Where

__all__ = [
    "FoundKeys",
    "KeyRef",
    "find_keys",
    "first_set",
    "key_variable",
    "read_dotenv",
    "read_key_ref",
    "read_key_refs",
]

_DOTENV_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*")


@dataclass(frozen=True, slots=True)
class KeyRef:
    """A key as the configuration names it: a variable, a file, or the key itself (which no repr shows)."""

    kind: Literal["env", "file", "literal"]
    value: str = field(repr=False)

    @property
    def origin(self) -> str:
        """Where the key is, fit to be shown."""
        return "the configuration itself" if self.kind == "literal" else f"{self.kind}:{self.value}"


@dataclass(frozen=True, slots=True)
class FoundKeys:
    """A provider's keys and where they were found. Falsy when there is none."""

    keys: tuple[str, ...] = field(repr=False)
    origins: tuple[str, ...]
    """One for each key."""
    files: tuple[Path | None, ...]
    """For each key the file that it is read from again when it changes, else None."""
    looked_at: str
    """What to set when there is none."""

    def __bool__(self) -> bool:
        return bool(self.keys)


def key_variable(provider: str) -> str:
    """The environment variable of a provider's key: `my-vllm` has MY_VLLM_API_KEY."""
    return re.sub(r"[^A-Za-z0-9]", "_", provider).upper() + "_API_KEY"


def read_key_ref(value: object, where: Where) -> tuple[KeyRef, ...]:
    """One reference: "env:NAME", "file:/path", or a literal key. Never shows the value in an error."""
    if not isinstance(value, str) or not value.strip():
        raise where.error('expected "env:NAME", "file:/path" or a key')
    value = value.strip()
    for kind in ("env", "file"):
        if value.startswith(f"{kind}:"):
            rest = value.removeprefix(f"{kind}:").strip()
            if not rest:
                raise where.error(f'"{kind}:" names nothing; write "{kind}:{"NAME" if kind == "env" else "/path"}"')
            return (KeyRef("env" if kind == "env" else "file", rest),)
    if not value.isascii() or any(character.isspace() for character in value):
        raise where.error("a key is printable ASCII without spaces")
    return (KeyRef("literal", value),)


def read_key_refs(value: object, where: Where) -> tuple[KeyRef, ...]:
    """Several references, for a pool."""
    if not isinstance(value, list | tuple) or not value:
        raise where.error('expected a list of "env:NAME", "file:/path" or keys')
    return tuple(ref for index, item in enumerate(value) for ref in read_key_ref(item, where.at(str(index))))


def find_keys(config: Config, provider: str, *, variables: Sequence[str] = ()) -> FoundKeys:
    """The provider's keys. A reference that leads nowhere is a `ConfigError`; no key at all is an empty result.

    `variables` are the provider's environment variables, the first that is set counts; PROVIDER_API_KEY without any.
    """
    names = tuple(variables) or (key_variable(provider),)
    looked_at = f"{' or '.join(names)} in the environment, or api_key under [providers.{provider}] in penstock.toml"
    refs = config.provider(provider).keys
    if refs:
        found = [_follow(ref, config, provider) for ref in refs]
        return FoundKeys(
            tuple(key for key, _, _ in found),
            tuple(origin for _, origin, _ in found),
            tuple(path for _, _, path in found),
            looked_at,
        )
    if hit := first_set(names, config):
        return FoundKeys((hit[0],), (hit[1],), (None,), looked_at)
    return FoundKeys((), (), (), looked_at)


def first_set(names: Sequence[str], config: Config) -> tuple[str, str] | None:
    """The first of the variables that is set, and where; the environment comes before the `.env` file."""
    sources: tuple[tuple[Mapping[str, str], str], ...] = ((config.environ, "env:{}"), (config.dotenv, "{} in .env"))
    for variables, origin in sources:
        for name in names:
            if value := variables.get(name, "").strip():
                return value, origin.format(name)
    return None


def _follow(ref: KeyRef, config: Config, provider: str) -> tuple[str, str, Path | None]:
    if ref.kind == "literal":
        return ref.value, ref.origin, None
    place = f"[providers.{provider}] {'api_key' if len(config.provider(provider).keys) == 1 else 'api_keys'}"
    if ref.kind == "env":
        if hit := first_set((ref.value,), config):
            return *hit, None
        raise ConfigError(f"{place}: the environment variable {ref.value} is not set or empty")
    path = Path(ref.value).expanduser()
    return read_key_file(path, place), ref.origin, path


def read_key_file(path: Path, place: str) -> str:
    """The key in a file, without the spaces and line ends around it. Raises `ConfigError`."""
    try:
        return read_key(path)
    except ValueError as error:
        raise ConfigError(f"{place}: cannot read the key file {path}: {error}") from error


def read_dotenv(path: Path) -> dict[str, str]:
    """The variables of a `.env` file: NAME=value lines, quotes taken off; empty when there is no such file."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    read: dict[str, str] = {}
    for line in text.splitlines():
        if line.lstrip().startswith("#") or not (match := _DOTENV_LINE.fullmatch(line)):
            continue
        name, value = match.groups()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        else:
            value = re.sub(r"\s+#.*$", "", value)
        read[name] = value
    return read
