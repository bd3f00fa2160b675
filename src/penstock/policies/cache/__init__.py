"""The exact cache: what can change an answer makes its key, and an answer is served only for the model that gave it."""

from penstock.policies.cache.entry import Kept, pack, to_keep, unpack, worth_keeping
from penstock.policies.cache.foreign import IMPORTED, foreign_key, foreign_keys
from penstock.policies.cache.key import Digester, body_digest, canonical_form, header_form, target_tag
from penstock.policies.cache.layer import Answers, Cache, CacheStats
from penstock.policies.cache.recall import Recall

__all__ = [
    "IMPORTED",
    "Answers",
    "Cache",
    "CacheStats",
    "Digester",
    "Kept",
    "Recall",
    "body_digest",
    "canonical_form",
    "foreign_key",
    "foreign_keys",
    "header_form",
    "pack",
    "target_tag",
    "to_keep",
    "unpack",
    "worth_keeping",
]
