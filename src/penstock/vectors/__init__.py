"""Vectors of texts: the nearest of many, a file that keeps them, and a local model that makes them.

Numbers and bytes alone: what a vector stands for is its owner's business. Nothing heavy is imported before it is used.
"""

from penstock.vectors.file import RecordFile
from penstock.vectors.index import FLAT_BOUND, VectorIndex
from penstock.vectors.local import LocalModel, model_files
from penstock.vectors.packages import crashing, lacking, normalised, packed, unpacked

__all__ = [
    "FLAT_BOUND",
    "LocalModel",
    "RecordFile",
    "VectorIndex",
    "crashing",
    "lacking",
    "model_files",
    "normalised",
    "packed",
    "unpacked",
]
