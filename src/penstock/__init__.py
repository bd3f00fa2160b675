"""The fastest and most dependable way to send prompts to LLM providers.

    import penstock

    client = penstock.Client("openai/gpt-4o-mini")
    print(client.generate("How big is the moon?").text)

Every name is imported when it is first used.
"""

from __future__ import annotations

import importlib

# What type checkers take for true. `typing` itself would be most of the time that importing penstock takes.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from penstock.answer import Answer, Chunk, request_hash
    from penstock.call import Attempt, Finding, Seam, Usage
    from penstock.client import AsyncClient, Batch, Client, Request
    from penstock.conversation import Conversation
    from penstock.errors import (
        AuthenticationFailed,
        BadRequest,
        BudgetExceeded,
        CallError,
        ConfigError,
        ConnectionFailed,
        ContentFiltered,
        ContextTooLong,
        DeadlineExceeded,
        EmptyAnswer,
        GuardRefused,
        InputError,
        InvalidAnswer,
        JournalError,
        Overloaded,
        PenstockError,
        QuotaExhausted,
        RateLimited,
        ServerError,
        TimedOut,
        TooBigForLimit,
        ToolLoopStopped,
        Unanswered,
    )
    from penstock.guards import Check, untrusted
    from penstock.prompts import Prompt, PromptLibrary
    from penstock.tokens import count_tokens

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "AsyncClient",
    "Attempt",
    "AuthenticationFailed",
    "BadRequest",
    "Batch",
    "BudgetExceeded",
    "CallError",
    "Check",
    "Chunk",
    "Client",
    "ConfigError",
    "ConnectionFailed",
    "ContentFiltered",
    "ContextTooLong",
    "Conversation",
    "DeadlineExceeded",
    "EmptyAnswer",
    "Finding",
    "GuardRefused",
    "InputError",
    "InvalidAnswer",
    "JournalError",
    "Overloaded",
    "PenstockError",
    "Prompt",
    "PromptLibrary",
    "QuotaExhausted",
    "RateLimited",
    "Request",
    "Seam",
    "ServerError",
    "TimedOut",
    "TooBigForLimit",
    "ToolLoopStopped",
    "Unanswered",
    "Usage",
    "__version__",
    "count_tokens",
    "request_hash",
    "untrusted",
]

_HOMES = {
    **dict.fromkeys(("Answer", "Chunk", "request_hash"), "answer"),
    **dict.fromkeys(("Attempt", "Finding", "Seam", "Usage"), "call"),
    **dict.fromkeys(("Check", "untrusted"), "guards"),
    **dict.fromkeys(("Prompt", "PromptLibrary"), "prompts"),
    "Conversation": "conversation",
    "count_tokens": "tokens",
    **dict.fromkeys(("AsyncClient", "Batch", "Client", "Request"), "client"),
}


if not TYPE_CHECKING:  # a type checker that saw it would believe in any name

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
