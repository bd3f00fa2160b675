"""What a client is given to do, and how it tells what came of it.

Nothing here imports penstock: a peer runs in an environment of its own.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

__all__ = ["MODEL", "Outcome", "Tally", "Task", "Tell", "each", "is_answer_to", "question", "together"]

MODEL = "m"
STORIES = 20
_ECHO_CHARS = 600
_JOIN_S = 1.0
_MARK = "sim:0123456789abcdef "


@dataclass(frozen=True)
class Task:
    """Ask the providers `targets`, the first one preferred, `count` questions, `in_flight` at a time.

    With `seconds` it goes on for so long instead. `settings` are the client's own.
    """

    name: str
    root: str
    key: str
    targets: tuple[str, ...]
    count: int
    in_flight: int
    deadline_s: float = 30.0
    seconds: float = 0.0
    settings: dict[str, Any] = field(default_factory=dict)

    def base_url(self, target: str) -> str:
        return f"{self.root}/{target}/v1"

    def questions(self) -> Iterator[str]:
        """No two alike, also not of two tasks of one simulator."""
        end_s = time.monotonic() + self.seconds
        number = 0
        while time.monotonic() < end_s if self.seconds else number < self.count:
            number += 1
            yield question(self.key, number)

    def write(self, file: Path) -> None:
        file.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, file: Path) -> Task:
        read = json.loads(file.read_text())
        return cls(**{**read, "targets": tuple(read["targets"])})


def question(of: str, number: int) -> str:
    return f"{of}, question {number}: how high is the water?"


def is_answer_to(prompt: str, text: str) -> bool:
    """The simulator's answer is a mark and the prompt itself: a part, a mixture or an error is no such text."""
    mark = text[: len(_MARK)]
    return (
        text[len(_MARK) :] == prompt[-_ECHO_CHARS:]
        and mark[:4] == "sim:"
        and mark[-1] == " "
        and all(digit in "0123456789abcdef" for digit in mark[4:-1])
    )


@dataclass(frozen=True)
class Outcome:
    what: str
    """correct, wrong (something came as an answer that is none), failed."""
    took_s: float


class Tell(Protocol):
    """How a client reports one question: what it got, or why not, and what it went through."""

    def __call__(
        self, prompt: str, began_s: float, text: str, *, error: BaseException | None = None, story: list[str] = ...
    ) -> None: ...


class Tally:
    """What came of every question, and the stories of those that went wrong or took longest."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.outcomes: list[Outcome] = []
        self.stories: list[str] = []

    def tell(
        self,
        prompt: str,
        began_s: float,
        text: str,
        *,
        error: BaseException | None = None,
        story: list[str] | None = None,
    ) -> None:
        took_s = time.monotonic() - began_s
        what = "failed" if error is not None else "correct" if is_answer_to(prompt, text) else "wrong"
        self.outcomes.append(Outcome(what, took_s))
        if (what != "correct" or took_s > self.task.deadline_s) and len(self.stories) < STORIES:
            said = f"{type(error).__name__}: {error}"[:300] if error is not None else repr(text[:80])
            head = f"{prompt.partition(':')[0]}: {what} after {took_s:.2f} s: {said}"
            self.stories.append("\n    ".join([head, *(story or [])]))

    def found(self) -> dict[str, Any]:
        return {
            "whats": [one.what for one in self.outcomes],
            "took_s": [round(one.took_s, 4) for one in self.outcomes],
            "stories": self.stories,
        }


async def together(
    task: Task, worker: Callable[[Iterator[str]], Coroutine[Any, Any, None]], prompts: Iterator[str]
) -> None:
    """A fixed set of workers over the prompts.

    The first question goes alone, and the workers join over a second: what a program imports when it asks for the
    first time, and a hundred connections opened in one instant, are no provider's latency.
    """
    await worker(islice(prompts, 1))

    async def joining(number: int) -> None:
        await asyncio.sleep(_JOIN_S * number / task.in_flight)
        await worker(prompts)

    await asyncio.gather(*map(joining, range(task.in_flight)))


async def each(
    task: Task, prompts: Iterator[str], ask: Callable[[str], Awaitable[str | None]], tell: Tell, *, is_cut: bool
) -> None:
    """`ask` every prompt, `in_flight` at a time. `is_cut`: the caller gives up at the deadline, as a client that has
    none of its own needs."""

    async def worker(mine: Iterator[str]) -> None:
        for prompt in mine:
            began_s = time.monotonic()
            try:
                text = await asyncio.wait_for(ask(prompt), task.deadline_s if is_cut else None)
            except Exception as error:
                tell(prompt, began_s, "", error=error)
            else:
                tell(prompt, began_s, text or "")

    await together(task, worker, prompts)
