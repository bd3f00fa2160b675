"""The nearest of many vectors, each within its own group.

Up to 5,000 vectors a group is a matrix, compared as a whole: exact, and quicker than a graph. A bigger one becomes a
graph of usearch's (HNSW) where that is installed, which looks at a few hundred of them.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Final, Protocol

from penstock.vectors.packages import Vector, crashing

__all__ = ["FLAT_BOUND", "VectorIndex"]

FLAT_BOUND: Final = 50_000
"""The most vectors that are compared one by one: 50,000 of 768 numbers take some ten milliseconds."""
_GRAPH_FROM: Final = 5_000
_FIRST_ROWS: Final = 16


class _Group(Protocol):
    def __len__(self) -> int: ...

    def add(self, key: int, vector: Vector) -> None: ...

    def remove(self, key: int) -> None: ...

    def search(self, vector: Vector, count: int) -> list[tuple[int, float]]: ...


class VectorIndex:
    """Vectors of length 1 by number, in groups that never see each other. Not for several threads."""

    def __init__(self, *, graph_from: int = _GRAPH_FROM) -> None:
        self._graph_from = graph_from if find_spec("usearch") is not None else None
        self._groups: dict[bytes, _Group] = {}
        self._of: dict[int, bytes] = {}

    def __len__(self) -> int:
        return len(self._of)

    def add(self, group: bytes, key: int, vector: Vector) -> None:
        """Keep the vector under a number that no other has. Raises `ValueError` for another length than its group's."""
        found = self._groups.get(group)
        if found is None:
            found = self._groups[group] = _Matrix(vector.size)
        elif isinstance(found, _Matrix) and self._graph_from is not None and len(found) >= self._graph_from:
            found = self._groups[group] = _Graph.of(found)
        found.add(key, vector)
        self._of[key] = group

    def remove(self, key: int) -> None:
        """Forget a vector; harmless when it isn't there."""
        group = self._of.pop(key, None)
        if group is None:
            return
        found = self._groups[group]
        found.remove(key)
        if not len(found):
            del self._groups[group]

    def search(self, group: bytes, vector: Vector, count: int) -> list[tuple[int, float]]:
        """At most `count` numbers of the group with their similarity (cosine, -1 to 1), the nearest first."""
        found = self._groups.get(group)
        return [] if found is None else found.search(vector, min(count, len(found)))

    def clear(self) -> None:
        """Forget all."""
        self._groups.clear()
        self._of.clear()


class _Matrix:
    """Rows in one array, which grows by doubling; a removed row is filled with the last one."""

    def __init__(self, size: int) -> None:
        import numpy as np

        self.rows = np.empty((_FIRST_ROWS, size), dtype=np.float32)
        self.keys: list[int] = []
        self._places: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self.keys)

    def add(self, key: int, vector: Vector) -> None:
        import numpy as np

        place = len(self.keys)
        if vector.size != self.rows.shape[1]:
            raise ValueError(f"a vector of {vector.size} numbers among those of {self.rows.shape[1]}")
        if place == len(self.rows):
            self.rows = np.concatenate([self.rows, np.empty_like(self.rows)])
        self.rows[place] = vector
        self.keys.append(key)
        self._places[key] = place

    def remove(self, key: int) -> None:
        place = self._places.pop(key)
        last = self.keys.pop()
        if last != key:
            self.rows[place] = self.rows[len(self.keys)]
            self.keys[place] = last
            self._places[last] = place

    def search(self, vector: Vector, count: int) -> list[tuple[int, float]]:
        import numpy as np

        if vector.size != self.rows.shape[1]:
            return []
        near = self.rows[: len(self.keys)] @ vector
        best = np.argpartition(-near, count - 1)[:count] if count < len(near) else np.arange(len(near))
        return [(self.keys[place], float(near[place])) for place in best[np.argsort(-near[best], kind="stable")]]


class _Graph:
    """usearch's index, made anew when most of what it once held is gone."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._index = _new_graph(size)
        self._keys: set[int] = set()
        self._gone = 0

    @classmethod
    def of(cls, matrix: _Matrix) -> _Graph:
        graph = cls(matrix.rows.shape[1])
        for key, row in zip(matrix.keys, matrix.rows, strict=False):
            graph.add(key, row)
        return graph

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: int, vector: Vector) -> None:
        if vector.size != self._size:
            raise ValueError(f"a vector of {vector.size} numbers among those of {self._size}")
        self._index.add(key, vector)
        self._keys.add(key)

    def remove(self, key: int) -> None:
        self._index.remove(key)
        self._keys.discard(key)
        self._gone += 1
        if self._gone > len(self._keys):
            old, self._index, self._gone = self._index, _new_graph(self._size), 0
            for left in self._keys:
                self._index.add(left, old.get(left))

    def search(self, vector: Vector, count: int) -> list[tuple[int, float]]:
        if vector.size != self._size or not count:
            return []
        found = self._index.search(vector, count)
        return [(int(key), 1.0 - float(far)) for key, far in zip(found.keys, found.distances, strict=True)]


def _new_graph(size: int) -> Any:
    if find_spec("onnxruntime") is not None and crashing() is None:
        # Whoever wants it later must not find usearch loaded before it.
        import onnxruntime  # noqa: F401
    from usearch.index import Index

    return Index(ndim=size, metric="ip", dtype="f32")
