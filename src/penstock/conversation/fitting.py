"""Which messages fit into a context: decided purely, over lengths alone.

What is always sent: system messages, pinned ones, the last question and all that hangs on it, in its order. The rest is
a window over the newest. A message that calls tools and the results of its calls are one block and go together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from penstock.conversation.message import Message

__all__ = ["Block", "Overfull", "blocks_of", "choose"]


class Overfull(Exception):
    """What must be sent alone is longer than there is room for."""

    def __init__(self, needed: int, room: int) -> None:
        super().__init__(needed, room)
        self.needed = needed
        self.room = room


class Block(NamedTuple):
    """Messages from `start` to before `end` that go together or not at all."""

    start: int
    end: int


def blocks_of(messages: Sequence[Message]) -> list[Block]:
    """Every message in its block: a call of tools with its results, any other by itself."""
    blocks: list[Block] = []
    for index, message in enumerate(messages):
        if message.role == "tool" and blocks:
            blocks[-1] = Block(blocks[-1].start, index + 1)
        else:
            blocks.append(Block(index, index + 1))
    return blocks


def choose(messages: Sequence[Message], counts: Sequence[int], room: int, *, covered: int = 0) -> list[int]:
    """The indexes of what to send within `room` tokens, in their order.

    `counts` are the tokens of each. Of the first `covered` messages, which a summary tells, only those that are always
    sent are. A window that leaves something out begins with a user's message. Raises `Overfull`.
    """
    blocks = blocks_of(messages)
    asked = max((index for index, message in enumerate(messages) if message.role == "user"), default=-1)
    musts = [
        number == len(blocks) - 1
        or any(index == asked or messages[index].is_kept for index in range(block.start, block.end))
        for number, block in enumerate(blocks)
    ]
    costs = [sum(counts[block.start : block.end]) for block in blocks]
    used = sum(cost for cost, must in zip(costs, musts, strict=True) if must)
    if used > room:
        raise Overfull(used, room)
    begins = len(blocks)
    """The first block of the window."""
    while begins and blocks[begins - 1].start >= covered:
        cost = 0 if musts[begins - 1] else costs[begins - 1]
        if used + cost > room:
            break
        used += cost
        begins -= 1
    if any(block.start >= covered and not must for block, must in zip(blocks[:begins], musts, strict=False)):
        begins = _to_a_question(messages, blocks, begins, asked)
    return [
        index
        for number, block in enumerate(blocks)
        if musts[number] or (number >= begins and block.start >= covered)
        for index in range(block.start, block.end)
    ]


def _to_a_question(messages: Sequence[Message], blocks: Sequence[Block], begins: int, asked: int) -> int:
    """Past the rest of an exchange whose question is out; not past the last question, which is in by itself."""
    while begins < len(blocks) and blocks[begins].start < asked and messages[blocks[begins].start].role != "user":
        begins += 1
    return begins
