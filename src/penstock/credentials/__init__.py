"""Keys and signatures. They know neither wires nor limits."""

from penstock.credentials.keys import Key, KeyPool, Secret

__all__ = ["Key", "KeyPool", "Secret"]
