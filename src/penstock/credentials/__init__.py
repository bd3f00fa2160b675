"""Keys and signatures. They know neither wires nor limits."""

from penstock.credentials.files import KeyFile, read_key
from penstock.credentials.keys import CHECK_FILES_EVERY_S, Key, KeyPool, Secret

__all__ = ["CHECK_FILES_EVERY_S", "Key", "KeyFile", "KeyPool", "Secret", "read_key"]
