"""The fastest and most dependable way to send prompts to LLM providers."""

__version__ = "0.1.0"
