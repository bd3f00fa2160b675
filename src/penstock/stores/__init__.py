"""Where cached answers are kept: bytes under keys, in memory, in a SQLite file or on a Redis server.

A store knows neither requests nor answers. Any object that keeps the promises of `Store` will do;
`penstock.testing.exercise_store` says whether it does.
"""

from penstock.stores.opening import check_url, default_path, open_store, store_path
from penstock.stores.store import Found, Many, Store, StoreError, StoreStats

__all__ = [
    "Found",
    "Many",
    "Store",
    "StoreError",
    "StoreStats",
    "check_url",
    "default_path",
    "open_store",
    "store_path",
]
