"""The layer that takes secrets out of what is sent, puts them back into what comes, and masks those of the answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import msgspec

from penstock.call import (
    Call,
    Choice,
    Completion,
    Event,
    Expected,
    Finding,
    Finished,
    PartDelta,
    ReasoningDelta,
    RefusalDelta,
    Reply,
    Stream,
    TextDelta,
    ToolDelta,
)
from penstock.errors import InvalidAnswer
from penstock.fold import Fold, invalid_answer
from penstock.guards.bodies import changed, changed_texts
from penstock.guards.judging import Judged, masked_error
from penstock.guards.kinds import find
from penstock.guards.masking import Masking
from penstock.guards.piping import opened, piped
from penstock.guards.refusal import refusal
from penstock.guards.settings import Redaction
from penstock.guards.span import Span
from penstock.guards.vault import Restoring, Vault, masked, taken_in
from penstock.handler import Handler, OpenStream

__all__ = ["Redact"]


@dataclass(frozen=True, slots=True)
class Redact:
    """Stands before the cache: what is asked, kept and logged below it holds placeholders only."""

    settings: Redaction

    def __call__(self, inner: Handler) -> Handler:
        settings = self.settings
        looks_at_answers = settings.answers != "off"

        async def handle(call: Call) -> Reply:
            vault: Vault | None = None
            findings: tuple[Finding, ...] = ()
            if settings.prompts != "off":
                call, vault, findings = _hidden(call, settings)
            if call.expected is not None and vault is not None:
                call = msgspec.structs.replace(call, expected=Judged(call.expected, vault, in_json=_asks_json(call)))
            restored = vault if settings.prompts == "restore" else None
            try:
                reply = await inner(call)
            except InvalidAnswer as error:
                if settings.answers not in ("mask", "refuse") or error.completion is None:
                    raise
                invalid = error
            else:
                if restored is None and not findings and not looks_at_answers:
                    return reply
                work = _Answer(settings, restored, findings, says_json=_asks_json(call))
                if isinstance(reply, Completion):
                    return work.whole(reply)
                is_masked = settings.answers == "mask" or (settings.prompts == "mask" and vault is not None)
                return work.stream(reply, call.expected if is_masked else None)
            # Out of the handler: the error that it handles has what is masked here. Placeholders stay, as in others.
            raise _told_masked(settings, findings, invalid)

        return handle


def _told_masked(settings: Redaction, findings: tuple[Finding, ...], error: InvalidAnswer) -> InvalidAnswer:
    """The same of the masked answer. Raises `GuardRefused` where such an answer is refused."""
    assert error.completion is not None
    completion = _Answer(settings, None, findings, says_json=False).whole(error.completion)
    return masked_error(error, completion, settings.kinds)


def _hidden(call: Call, settings: Redaction) -> tuple[Call, Vault | None, tuple[Finding, ...]]:
    """The call without what was found; the values; what is told of them. Raises `GuardRefused`."""
    found: list[tuple[str, str, list[Span]]] = []
    taken: list[str] = []

    def look(text: str, where: str) -> str:
        spans = find(text, settings.kinds)
        if spans:
            found.append((where, text, spans))
        if "[" in text:
            taken.extend(taken_in(text))
        return text

    changed(call.body, look)
    if call.variables:
        changed_texts(call.variables, "variables", look)
    if not found:
        return call, None, ()
    done: Any = {"flag": "flagged", "refuse": "refused", "restore": "restored", "mask": "masked"}[settings.prompts]
    counts = Counter((span.kind, where) for where, _, spans in found for span in spans)
    findings = tuple(
        Finding(guard="redact", what=kind, where=where, done=done, count=count)
        for (kind, where), count in counts.items()
    )
    if settings.prompts == "refuse":
        raise refusal(f"guard redact refused the prompt: {_told(findings)}; nothing was sent", findings)
    if settings.prompts == "flag":
        return call, None, findings
    vault = Vault(settings.kinds, taken)
    spans_of = {text: spans for _, text, spans in found}

    def hide(text: str, _where: str) -> str:
        spans = spans_of.get(text)
        if spans is None:
            return text
        return vault.hide(text, spans)

    # The values of a target's own template: it is filled behind this layer.
    variables = changed_texts(call.variables, "variables", hide) if call.variables else call.variables
    hidden = msgspec.structs.replace(call, body=changed(call.body, hide), variables=variables)
    return hidden, vault, findings


def _asks_json(call: Call) -> bool:
    form = call.body.get("response_format")
    return isinstance(form, dict) and form.get("type") in ("json_object", "json_schema")


def _told(findings: tuple[Finding, ...]) -> str:
    return ", ".join(
        f"{one.what} in {one.where}" + (f" ({one.count} times)" if one.count > 1 else "") for one in findings
    )


class _Answer:
    """What becomes of one call's answer."""

    __slots__ = ("_counts", "_findings", "_judge", "_kinds", "_pieces", "_says_json", "_settings", "_vault")

    def __init__(
        self, settings: Redaction, vault: Vault | None, findings: tuple[Finding, ...], *, says_json: bool
    ) -> None:
        """`says_json`: the answer's text is JSON, and stays it with the values in it."""
        self._settings = settings
        self._vault = vault
        self._findings = findings
        self._says_json = says_json
        self._kinds: tuple[str, ...] = settings.kinds if settings.answers != "off" else ()
        self._counts: Counter[str] = Counter()
        self._pieces: dict[tuple[Any, ...], _Piece] = {}
        self._judge: _Judge | None = None

    # In one piece.

    def whole(self, completion: Completion) -> Completion:
        """The answer with values in the place of their placeholders. Raises `GuardRefused`."""
        choices = tuple(self._choice(choice) for choice in completion.choices)
        is_changed = any(new is not old for new, old in zip(choices, completion.choices, strict=True))
        self._refuse_if_told(completion)
        guards = (*completion.guards, *self._all_findings())
        if not is_changed:
            return msgspec.structs.replace(completion, guards=guards) if guards else completion
        # The raw body has the placeholders, or what was masked.
        return msgspec.structs.replace(completion, choices=choices, raw=b"", guards=guards)

    def _choice(self, choice: Choice) -> Choice:
        before = self._counts.total()
        message = choice.message
        calls = message.get("tool_calls")
        if not isinstance(calls, list):
            calls = None
        rest = {name: value for name, value in message.items() if name != "tool_calls"} if calls else message
        new = changed_texts(rest, "answer", self._text)
        new_calls = [self._tool_call(call) for call in calls or ()]
        if new is rest and (not calls or all(one is other for one, other in zip(new_calls, calls, strict=True))):
            return choice
        if calls:
            new = {name: new_calls if name == "tool_calls" else new[name] for name in message}
        logprobs = choice.logprobs if self._counts.total() == before else None
        return msgspec.structs.replace(choice, message=new, logprobs=logprobs)

    def _tool_call(self, call: Any) -> Any:
        function = call.get("function") if isinstance(call, dict) else None
        said = function.get("arguments") if isinstance(function, dict) else None
        if not isinstance(said, str):
            return changed_texts(call, "answer", self._text)
        new = self._text(said, "answer", in_json=True)
        return call if new == said else {**call, "function": {**function, "arguments": new}}  # type: ignore[dict-item]

    def _text(self, text: str, _where: str, *, in_json: bool = False) -> str:
        made = text
        if self._kinds and (spans := find(text, self._kinds)):
            self._counts.update(span.kind for span in spans)
            if self._settings.answers == "mask":
                made = masked(text, spans)
        if self._vault is not None:
            made = self._vault.restore(made, in_json=in_json or self._says_json)
        return text if made == text else made

    # In pieces.

    def stream(self, reply: Stream, expected: Expected | None = None) -> OpenStream:
        """The stream of the same. `expected`: what it must have been before it was changed, or it ends with
        `InvalidAnswer`: its reader can't tell any more."""
        stream = opened(reply)
        if expected is not None:
            self._judge = _Judge(expected, stream)
        return piped(stream, self._change, self._finish, self._all_findings)

    async def _change(self, events: list[Event]) -> list[Event]:
        made: list[Event] = []
        for event in events:
            if isinstance(event, TextDelta | ReasoningDelta | RefusalDelta):
                text = self._piece(type(event), event.choice).feed(event.text)
                if text:
                    made.append(_with_text(event, text, keeps_logprobs=not self._kinds))
            elif isinstance(event, ToolDelta):
                said = self._piece(ToolDelta, event.choice, event.index).feed(event.arguments)
                if said or event.id or event.name or event.extra is not None:
                    made.append(msgspec.structs.replace(event, arguments=said))
            elif isinstance(event, PartDelta):
                made.append(PartDelta(changed_texts(event.fields, "answer", self._text), event.choice))
            else:
                if isinstance(event, Finished):
                    made += self._rest(event.choice)
                made.append(event)
        self._refuse_if_told(None)
        return made

    async def _finish(self) -> list[Event]:
        made = self._rest(None)
        self._refuse_if_told(None)
        if self._judge is not None and (error := self._judge.error()) is not None:
            raise _told_masked(self._settings, self._findings, error)
        return made

    def _piece(self, kind: type, choice: int, index: int = 0) -> _Piece:
        place = (kind, choice, index)
        piece = self._pieces.get(place)
        if piece is None:
            piece = self._pieces[place] = _Piece(self, in_json=kind is ToolDelta or self._says_json)
        return piece

    def _rest(self, choice: int | None) -> list[Event]:
        """What is held back of a choice, or of all of them."""
        made: list[Event] = []
        for (kind, of, index), piece in self._pieces.items():
            if choice in (None, of) and (text := piece.end()):
                made.append(ToolDelta(index, arguments=text, choice=of) if kind is ToolDelta else kind(text, of))
        return made

    def _refuse_if_told(self, completion: Completion | None) -> None:
        if self._settings.answers != "refuse" or not (self._counts or self._piece_counts()):
            return
        findings = self._all_findings()
        told = _told(tuple(one for one in findings if one.where == "answer"))
        raise refusal(
            f"guard redact refused the answer{f' of {completion.target}' if completion else ''}: {told}",
            findings,
            attempts=completion.attempts if completion else (),
            requests_sent=completion.requests_sent if completion else None,
        )

    def _piece_counts(self) -> Counter[str]:
        return sum((piece.counts for piece in self._pieces.values()), Counter())

    def _all_findings(self) -> tuple[Finding, ...]:
        counts = self._counts + self._piece_counts()
        done: Any = {"flag": "flagged", "refuse": "refused", "mask": "masked"}.get(self._settings.answers)
        return (
            *self._findings,
            *(Finding(guard="redact", what=kind, where="answer", done=done, count=counts[kind]) for kind in counts),
        )


class _Judge:
    """Reads a stream along, and holds what it was against what it must be."""

    __slots__ = ("_expected", "_fold", "_stream")

    def __init__(self, expected: Expected, stream: OpenStream) -> None:
        self._expected = expected
        self._stream = stream
        self._fold = Fold()
        stream.watch(self._fold.add)

    def error(self) -> InvalidAnswer | None:
        completion = self._fold.completion(malformed_events=self._stream.malformed_events)
        self._stream.account(completion)
        try:
            faults = self._expected.faults(completion)
        except Exception as error:  # noqa: BLE001 - the check's own code: what was paid for isn't lost
            faults = (f"the check itself failed: {type(error).__name__}: {error}",)
        return invalid_answer(completion, faults) if faults else None


class _Piece:
    """One text of a streamed answer: masked, then put back."""

    __slots__ = ("_masking", "_restoring")

    def __init__(self, answer: _Answer, *, in_json: bool) -> None:
        kinds, vault = answer._kinds, answer._vault
        self._masking = Masking(kinds, mask=answer._settings.answers == "mask") if kinds else None
        self._restoring = Restoring(vault, in_json=in_json) if vault is not None else None

    @property
    def counts(self) -> Counter[str]:
        return self._masking.counts if self._masking is not None else Counter()

    def feed(self, text: str) -> str:
        if self._masking is not None:
            text = self._masking.feed(text)
        return self._restoring.feed(text) if self._restoring is not None else text

    def end(self) -> str:
        text = self._masking.end() if self._masking is not None else ""
        return self._restoring.feed(text) + self._restoring.end() if self._restoring is not None else text


def _with_text(event: TextDelta | ReasoningDelta | RefusalDelta, text: str, *, keeps_logprobs: bool) -> Event:
    if isinstance(event, TextDelta):
        return TextDelta(text, event.choice, event.logprobs if keeps_logprobs else None)
    return type(event)(text, event.choice)
