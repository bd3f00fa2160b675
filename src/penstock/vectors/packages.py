"""What is installed of the packages that vectors need, and vectors as bytes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Vector", "crashing", "lacking", "normalised", "packed", "unpacked"]

Vector = Any
"""A numpy array of 32-bit floats."""


def lacking(*packages: str) -> list[str]:
    """Those that aren't installed."""
    return [package for package in packages if find_spec(package) is None]


def crashing() -> str | None:
    """Why onnxruntime can't be loaded in this process any more; None when it can.

    onnxruntime 1.31 ends the process with a crash when it is imported after usearch 2.26; the other order is sound.
    """
    if "usearch" in sys.modules and "onnxruntime" not in sys.modules:
        return "onnxruntime crashes the process once usearch is loaded; import onnxruntime before usearch"
    return None


def normalised(vector: Sequence[float]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The vector with length 1. Raises `ValueError` for one without a direction."""
    import numpy as np

    found = np.asarray(vector, dtype=np.float32).ravel()
    length = float(np.linalg.norm(found))
    if not found.size or not np.isfinite(length) or length == 0.0:
        raise ValueError(f"a vector of {found.size} numbers has no direction")
    return found / np.float32(length)


def packed(vector: np.ndarray[Any, np.dtype[np.float32]]) -> bytes:
    """Four bytes a number, little-endian."""
    return vector.astype("<f4").tobytes()


def unpacked(data: bytes) -> np.ndarray[Any, np.dtype[np.float32]]:
    """What `packed` made. Raises `ValueError`."""
    import numpy as np

    return np.frombuffer(data, dtype="<f4").astype(np.float32)
