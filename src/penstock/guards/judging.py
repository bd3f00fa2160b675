"""What an answer must be, held against what the model said: values for placeholders, and nothing masked yet."""

from __future__ import annotations

import msgspec

from penstock.call import Choice, Completion, Expected
from penstock.errors import InvalidAnswer
from penstock.fold import invalid_answer
from penstock.guards.bodies import changed_texts
from penstock.guards.kinds import find
from penstock.guards.vault import Vault, masked

__all__ = ["Judged", "masked_error"]


class Judged:
    """An expectation of an answer whose placeholders stand for values. What it tells has the placeholders again:
    a model is told it."""

    __slots__ = ("_expected", "_in_json", "_vault")

    def __init__(self, expected: Expected, vault: Vault, *, in_json: bool) -> None:
        self._expected = expected
        self._vault = vault
        self._in_json = in_json

    def faults(self, completion: Completion) -> tuple[str, ...]:
        """See `penstock.call.Expected`."""
        choices = tuple(self._restored(choice) for choice in completion.choices)
        meant = msgspec.structs.replace(completion, choices=choices)
        return tuple(self._vault.unsaid(fault) for fault in self._expected.faults(meant))

    def _restored(self, choice: Choice) -> Choice:
        message = changed_texts(choice.message, "answer", self._text)
        return choice if message is choice.message else msgspec.structs.replace(choice, message=message)

    def _text(self, text: str, _where: str) -> str:
        made = self._vault.restore(text, in_json=self._in_json)
        return text if made == text else made


def masked_error(error: InvalidAnswer, completion: Completion, kinds: tuple[str, ...]) -> InvalidAnswer:
    """The error for a reader who gets `completion`, which is masked; what is wrong with it is, too."""
    return invalid_answer(completion, tuple(masked(fault, find(fault, kinds)) for fault in error.faults))
