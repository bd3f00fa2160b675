"""How often the semantic cache answers a question asked in other words, and how often it answers another question."""

from bench.semantic.chapter import semantic

__all__ = ["semantic"]
