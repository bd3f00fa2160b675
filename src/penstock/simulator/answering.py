"""One simulator: a scenario, its clock, and the ledger. Requests go in, scripts come out; no socket, no waiting."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec

from penstock.call import Call
from penstock.errors import CallError
from penstock.http import WireRequest
from penstock.simulator.behaviour import Outcome, decide, input_tokens, most_tokens
from penstock.simulator.compose import NOT_GENERATED, compose, compose_error, spoilt
from penstock.simulator.content import begun_in, digest_of
from penstock.simulator.control import control, problem
from penstock.simulator.distributions import draw
from penstock.simulator.fast import CREATED, fast_answer, plain_question
from penstock.simulator.front import Front
from penstock.simulator.fronts import FRONTS
from penstock.simulator.http1 import Request
from penstock.simulator.ledger import Ledger
from penstock.simulator.limits import Admission, Refusal
from penstock.simulator.refused import BadKey, NoKey, OutOfQuota, Refused
from penstock.simulator.routes import Route, route_of
from penstock.simulator.scenario import Behaviour, Scenario, builtin_models
from penstock.simulator.script import Script

__all__ = ["Quick", "Simulator"]

_MAX_CACHED: Final = 10_000
_MAX_TRIES: Final = 200_000
_MAX_KEY_CHARS: Final = 256
_GLOB: Final = frozenset("*?[")
_KEY_HEADERS: Final = ("api-key", "x-api-key", "x-goog-api-key")
_SIGNED: Final = "AWS4-HMAC-SHA256 Credential="
_NO_DIGEST: Final = bytes(16)


class Quick(NamedTuple):
    """A whole answer of the fast path."""

    id: bytes
    body: bytes
    wait_s: float
    on_end: Callable[[bool], None] | None


class _Asked(NamedTuple):
    """A request that was understood."""

    front: Front
    call: Call
    provider: str
    key: str
    digest: bytes
    question: bytes
    """The same but for an answer to be continued: then it is the digest without the answer's beginning."""
    at_s: float


class _Draw(NamedTuple):
    """A request's own random source, how often it was let in before, and its name among those that count tries."""

    rng: random.Random
    tries: int
    name: bytes


class Simulator:
    """Requests in, scripts out. `now` is read once a request.

    Everything that is drawn comes from `seed`, the request's digest and how often it was asked before, so that the
    order in which concurrent requests arrive changes nothing.
    """

    def __init__(
        self,
        scenario: Scenario,
        now: Callable[[], float],
        *,
        seed: int = 0,
        ledger: Ledger | None = None,
    ) -> None:
        self._now = now
        self._seed = str(seed).encode()[:64]
        self.ledger = ledger if ledger is not None else Ledger()
        self._routes: dict[str, Route] = {}
        self._fronts: dict[str, Front] = {}
        self.play(scenario)

    def play(self, scenario: Scenario) -> None:
        """Behave so from now on, with fresh limits and the time at zero; the ledger goes on."""
        self.scenario = scenario
        self._open = scenario.keys is None and not scenario.out_of_quota
        self._behaviours: dict[tuple[str, str], Behaviour] = {}
        self._admissions: dict[tuple[str, ...], Admission] = {}
        self._tries: dict[bytes, int] = {}
        self._started_s = self._now()

    def reset(self) -> None:
        """Begin again: the same scenario, an empty ledger."""
        self.ledger.clear()
        self.play(self.scenario)

    def quick(self, request: Request) -> Quick | None:
        """The answer to a plain question to a model that at most waits; None: it needs a script."""
        head = request.head
        route = self._routes.get(head.path) or self._route(head.path)
        if route.endpoint != "chat" or not self._open or head.method != "POST":
            return None
        asked = plain_question(request.body)
        if asked is None:
            return None
        behaviour = self._behaviour(route.provider, asked.model)
        if not behaviour.only_waits:
            return None
        at_s = self._now() - self._started_s
        key = _key_of(head.headers)
        waits = behaviour.ttft_s != 0.0
        body, answer_id, seq = fast_answer(asked, self.ledger, key=key, at_s=at_s, delivered=not waits)
        if not waits:
            return Quick(answer_id, body, 0.0, None)
        return Quick(
            answer_id, body, self._wait_s(behaviour, route.provider, asked.model, asked.body), partial(self._mark, seq)
        )

    def script(self, request: Request) -> Script:
        """What happens to any other request, refusals and `/sim/...` included. Never raises for what a client sent."""
        head = request.head
        if head.path.startswith("/sim/"):
            answered = control(self, request)
            if answered is not None:
                return answered
        route = self._routes.get(head.path) or self._route(head.path)
        make = FRONTS.get(route.wire)
        if make is None or route.endpoint == "unknown":
            wires = ", ".join(sorted(FRONTS))
            return problem(404, f"nothing is served at {head.method} {head.path}; the wires spoken here: {wires}")
        front = self._fronts.get(route.wire) or self._fronts.setdefault(route.wire, make())
        if route.endpoint == "models":
            return self._models(front, route, _key_of(head.headers))
        return self._ask(front, route, request)

    # -- what is known

    def _route(self, path: str) -> Route:
        if len(self._routes) >= _MAX_CACHED:
            self._routes.clear()
        return self._routes.setdefault(path, route_of(path, FRONTS))

    def _behaviour(self, provider: str, model: str) -> Behaviour:
        found = self._behaviours.get((provider, model))
        if found is None:
            if len(self._behaviours) >= _MAX_CACHED:
                self._behaviours.clear()
            found = self._behaviours[provider, model] = self.scenario.behaviour(provider, model)
        return found

    def _admission(self, asked: _Asked, behaviour: Behaviour) -> Admission | None:
        if behaviour.limits is None:
            return None
        whose = (asked.provider, asked.call.model, asked.key if behaviour.limits.per == "key" else "")
        if len(self._admissions) >= _MAX_CACHED:
            self._admissions.clear()
        found = self._admissions.get(whose)
        if found is None:
            found = self._admissions[whose] = Admission(behaviour.limits, asked.at_s)
        return found

    def _drawn(self, provider: str, model: str, digest: bytes) -> _Draw:
        """The request's own random source, and how often it was asked before."""
        name = hashlib.blake2b(f"{provider}/{model}/".encode() + digest, digest_size=16, key=self._seed).digest()
        tries = self._tries.get(name, 0)
        return _Draw(random.Random(int.from_bytes(name, "big") + tries), tries, name)

    def _count(self, draw_: _Draw) -> None:
        """The request was let in: the next one like it is another try."""
        tries = self._tries
        tries.pop(draw_.name, None)
        if len(tries) >= _MAX_TRIES:
            del tries[next(iter(tries))]
        tries[draw_.name] = draw_.tries + 1

    def _wait_s(self, behaviour: Behaviour, provider: str, model: str, body: Mapping[str, Any]) -> float:
        if isinstance(behaviour.ttft_s, int | float) and behaviour.slow is None:
            return behaviour.ttft_s
        source = self._drawn(provider, model, digest_of(body))
        self._count(source)
        rng = source.rng
        slow = behaviour.slow is not None and rng.random() < behaviour.slow.share
        wait_s = draw(behaviour.ttft_s, rng)
        return wait_s * behaviour.slow.factor if slow and behaviour.slow is not None else wait_s

    def _mark(self, seq: int, delivered: bool) -> None:
        if delivered:
            self.ledger.mark_delivered(seq)

    # -- one request

    def _ask(self, front: Front, route: Route, request: Request) -> Script:
        head = request.head
        at_s = self._now() - self._started_s
        key = _key_of(head.headers)
        try:
            url = f"http://simulator{head.path}{'?' if head.query else ''}{head.query}"
            call = front.read(WireRequest(head.method, url, head.headers, request.body))
        except CallError as error:
            return self._refuse(front, None, error, key=key, at_s=at_s)
        digest, begun = digest_of(call.body), begun_in(call.body)
        question = digest if begun is None else digest_of(begun.body)
        asked = _Asked(front, call, route.provider, key, digest, question, at_s)
        why = self._key_trouble(key)
        if why is not None:
            return self._refuse(front, asked, front.refused(why, call.model), key=key, at_s=at_s)
        return self._answer(asked, self._behaviour(route.provider, call.model))

    def _answer(self, asked: _Asked, behaviour: Behaviour) -> Script:
        front, call, at_s = asked.front, asked.call, asked.at_s
        source = self._drawn(asked.provider, call.model, asked.question)
        try:
            outcome = spoilt(
                decide(call, behaviour, digest=asked.question, rng=source.rng, at_s=at_s, tries=source.tries)
            )
        except CallError as error:
            return self._refuse(front, asked, error, key=asked.key, at_s=at_s)
        admission = self._admission(asked, behaviour)
        headers: dict[str, str] = {}
        if admission is not None and behaviour.limits is not None:
            limits = behaviour.limits
            refusal = admission.ask(at_s, _charge(asked, outcome, reserved=limits.charge == "reserved"))
            if limits.headers:
                headers = front.limit_headers(admission.snapshots(at_s))
            if refusal is not None:
                told = _limit_error(front, refusal, call.model, limits.concurrency_status)
                script = self._refuse(front, asked, told, key=asked.key, at_s=at_s, headers=headers)
                if not limits.retry_after:
                    script.headers.pop("retry-after", None)
                    script.headers.pop("retry-after-ms", None)
                return script
        self._count(source)
        return self._played(asked, outcome, headers, admission)

    def _played(self, asked: _Asked, outcome: Outcome, headers: dict[str, str], admission: Admission | None) -> Script:
        completion = outcome.completion
        completion.created = CREATED + int(asked.at_s)
        completion.id = self.ledger.id_of(asked.call.kind, self.ledger.served)
        headers[asked.front.request_id] = f"req-{completion.id}"
        script = compose(asked.front, asked.call, outcome, headers=headers)
        fault = outcome.fault
        generated = fault is None or fault.fault not in NOT_GENERATED
        usage = completion.usage
        seq = self.ledger.add(
            asked.call.kind,
            asked.call.model,
            key=asked.key,
            digest=asked.digest,
            at_s=asked.at_s,
            status=script.status,
            input_tokens=usage.input_tokens if usage is not None and generated else 0,
            output_tokens=usage.output_tokens if usage is not None and generated else 0,
            fault="" if fault is None else fault.fault,
        )
        script.on_end = partial(self._ended, seq, admission)
        return script

    def _ended(self, seq: int, admission: Admission | None, delivered: bool) -> None:
        if admission is not None:
            admission.release()
        self._mark(seq, delivered)

    def _refuse(
        self,
        front: Front,
        asked: _Asked | None,
        error: CallError,
        *,
        key: str,
        at_s: float,
        headers: dict[str, str] | None = None,
    ) -> Script:
        """An error, written into the ledger: it was served too."""
        kind = "other" if asked is None else asked.call.kind
        answer_id = self.ledger.id_of(kind, self.ledger.served)
        script = compose_error(front, error, {**(headers or {}), front.request_id: f"req-{answer_id}"})
        seq = self.ledger.add(
            kind,
            "" if asked is None else asked.call.model,
            key=key,
            digest=_NO_DIGEST if asked is None else asked.digest,
            at_s=at_s,
            status=script.status,
        )
        script.on_end = partial(self._mark, seq)
        return script

    def _key_trouble(self, key: str) -> Refused | None:
        scenario = self.scenario
        if key in scenario.out_of_quota and key:
            return OutOfQuota()
        if scenario.keys is None or key in scenario.keys:
            return None
        return BadKey(key) if key else NoKey()

    def _models(self, front: Front, route: Route, key: str) -> Script:
        why = self._key_trouble(key)
        if why is not None and not isinstance(why, OutOfQuota):
            return self._refuse(front, None, front.refused(why, ""), key=key, at_s=self._now() - self._started_s)
        names = [
            pattern
            for models in (self.scenario.models, builtin_models())
            for pattern in models
            if not _GLOB & set(pattern)
        ]
        wanted = route.rest.strip("/")
        if wanted:
            shown: Any = {"id": wanted, "object": "model", "created": CREATED, "owned_by": "sim"}
            body = msgspec.json.encode(shown)
        else:
            body = front.models(list(dict.fromkeys(names)), CREATED)
        return Script(headers=dict(front.json_headers), length=len(body), pieces=((0.0, body),))


def _key_of(headers: Mapping[str, str]) -> str:
    """The bearer token, the access key of a signature, or what stands in a header for keys; "" for none."""
    value = headers.get("authorization")
    if value is None:
        return next((headers[name] for name in _KEY_HEADERS if headers.get(name)), "")[:_MAX_KEY_CHARS]
    if value.startswith(_SIGNED):
        return value[len(_SIGNED) :].partition("/")[0][:_MAX_KEY_CHARS]
    return value[7 : 7 + _MAX_KEY_CHARS] if value[:7].lower() == "bearer " else value[:_MAX_KEY_CHARS]


def _charge(asked: _Asked, outcome: Outcome, *, reserved: bool) -> int:
    """The tokens that the limit counts: with `max_tokens` where it is charged up front, else what it came to."""
    usage = outcome.completion.usage
    most = most_tokens(asked.call) if reserved else None
    written = most if most is not None else (usage.output_tokens if usage is not None else 0)
    return input_tokens(asked.call) + written


def _limit_error(front: Front, refusal: Refusal, model: str, concurrency_status: int) -> CallError:
    error = front.refused(refusal, model)
    if refusal.what == "concurrency":
        error.status = concurrency_status
    return error
