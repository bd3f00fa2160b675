"""Counts of tokens in OpenAI's words, for both of its wires."""

from __future__ import annotations

from penstock.call import Usage

__all__ = ["more_of_input"]


def more_of_input(usage: Usage) -> dict[str, int]:
    """Parts of the input that few requests have, in OpenAI's words where it has some."""
    counts = {
        "cache_write_tokens": usage.cache_write_tokens,
        "cache_write_1h_tokens": usage.cache_write_1h_tokens,
        "audio_tokens": usage.audio_input_tokens,
        "audio_cached_tokens": usage.audio_cached_tokens,
    }
    return {name: count for name, count in counts.items() if count}
