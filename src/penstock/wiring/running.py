"""What is shared while an engine runs: a provider's connections and keys, and each target behind its limits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from urllib.parse import urlsplit, urlunsplit

import msgspec

from penstock.clock import Clock
from penstock.credentials import KeyPool, Secret
from penstock.errors import CallError, ConfigError
from penstock.http import Pool, Timeouts, Transport, WireRequest
from penstock.observers.logging import never_show
from penstock.wiring.providers import ProviderPlan
from penstock.wiring.wires import Speaker

_LIST_S = 30.0

__all__ = [
    "Keys",
    "address_of",
    "key_pool",
    "list_models",
    "open_provider_transport",
]


class Keys:
    """A provider's keys while it runs: how many there are, and a way to exchange them. Never shows one."""

    def __init__(self, provider: str, pool: Callable[[], KeyPool]) -> None:
        self.provider = provider
        # Asked each time: an engine that moves to another loop has another pool.
        self._pool = pool

    def __len__(self) -> int:
        return sum(key.secret is not None for key in self._pool().keys)

    def replace(self, keys: Iterable[str]) -> None:
        """Use these keys from the next request on; what is in flight ends with its own. Raises `ConfigError`."""
        values = [keys] if isinstance(keys, str) else list(keys)
        if not values:
            raise ConfigError("no key was given; the ones in use stay")
        for value in values:
            if not isinstance(value, str) or not value.isascii() or not value or any(map(str.isspace, value)):
                raise ConfigError("a key is printable ASCII without spaces")
        self._pool().replace([Secret(value) for value in values])

    def __repr__(self) -> str:
        return f"Keys({self.provider!r}, {len(self)})"


def key_pool(plan: ProviderPlan) -> KeyPool:
    """The pool of a provider's keys. None that it ever holds is shown in a log."""
    secrets = [Secret(value) for value in plan.keys.keys]
    return KeyPool(secrets, name=plan.name, files=plan.keys.files, announce=never_show)


def address_of(plan: ProviderPlan) -> str:
    """Where a provider is. In the process itself the simulator is reached by an address that is none."""
    if plan.base_url is None:
        from penstock.simulator.memory import BASE_URL

        return BASE_URL
    return plan.base_url


def open_provider_transport(plan: ProviderPlan, clock: Clock, *, concurrency: int) -> Transport:
    """The provider's connections; the simulator itself where there is no address. Opens nothing yet."""
    if plan.base_url is None:
        from penstock.simulator.memory import SimTransport

        return SimTransport(None, clock)
    from penstock.transport import open_transport

    pool = plan.config.pool
    if pool is None:
        pool = Pool(max_connections=max(Pool().max_connections, concurrency))
    return open_transport(plan.config.transport or "wreq", pool)


async def list_models(plan: ProviderPlan, speaker: Speaker, transport: Transport, pool: KeyPool) -> list[str]:
    """The ids in the provider's list of models. Raises `CallError`, or `ConfigError` where there is none."""
    if not plan.vendor.models_path:
        raise ConfigError(f"{plan.name}: {plan.vendor.title} lists no models here; name one with -m {plan.name}/MODEL")
    parts = urlsplit(address_of(plan))
    path = parts.path.rstrip("/")
    path += "/models" if path.endswith("/v1") else plan.vendor.models_path
    url = urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))
    headers = {"accept": "application/json", **{name.lower(): text for name, text in plan.headers.items()}}
    if plan.vendor.wire == "anthropic":
        headers.setdefault("anthropic-version", "2023-06-01")
    request = WireRequest("GET", url, headers)
    secret = pool.keys[0].secret
    try:
        if secret is not None:
            request = speaker.sign(request, secret.reveal())
        elif speaker.credential is not None:
            if (waiting := speaker.credential.waits()) is not None:
                await waiting
            request = speaker.credential.sign(request)
        reply = await transport.send(request, Timeouts(total=_LIST_S))
        if not 200 <= reply.status < 300:
            raise speaker.codec.classify(reply)
        said = msgspec.json.decode(reply.body, type=_ModelList)
        return [model.id or model.name for model in (*said.data, *said.models)]
    except CallError as error:
        error.target = plan.name
        raise
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CallError("transport", f"no list of models at {url}", target=plan.name) from error


class _Model(msgspec.Struct):
    id: str = ""
    name: str = ""


class _ModelList(msgspec.Struct):
    """OpenAI's and Anthropic's lists are called `data`, Google's, Cohere's and Ollama's `models`."""

    data: list[_Model] = []
    models: list[_Model] = []
