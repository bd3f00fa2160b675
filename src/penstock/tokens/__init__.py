"""How many tokens a request has: exactly for OpenAI's models (extra `tokens`), estimated elsewhere, with its error.

>>> count_tokens("How big is the moon?", model="openai/gpt-4o-mini").tokens
6
"""

from penstock.tokens.count import Count, count_tokens
from penstock.tokens.counter import Counter

__all__ = ["Count", "Counter", "count_tokens"]
