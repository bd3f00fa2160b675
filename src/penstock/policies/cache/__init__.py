"""The exact cache: what can change an answer makes its key, and an answer is served only for the model that gave it."""

from penstock.policies.cache.entry import Kept, pack, unpack, worth_keeping
from penstock.policies.cache.foreign import IMPORTED, foreign_key, foreign_keys
from penstock.policies.cache.key import Digester, canonical_form, target_tag
from penstock.policies.cache.layer import Answers, Cache, CacheStats

__all__ = [
    "IMPORTED",
    "Answers",
    "Cache",
    "CacheStats",
    "Digester",
    "Kept",
    "canonical_form",
    "foreign_key",
    "foreign_keys",
    "pack",
    "target_tag",
    "unpack",
    "worth_keeping",
]
