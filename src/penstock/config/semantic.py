"""The `[cache.semantic]` table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from penstock.config.values import (
    Reader,
    Where,
    read_bool,
    read_duration,
    read_fraction,
    read_one_of,
    read_positive_int,
    read_str,
    read_table,
)
from penstock.vectors import FLAT_BOUND, crashing, lacking, model_files

__all__ = ["LOCAL", "SemanticConfig", "read_semantic"]

LOCAL = "onnx:"
"""Before the folder of a local model."""
_EXTRA = "pip install 'penstock[semantic]'"


@dataclass(frozen=True, slots=True)
class SemanticConfig:
    """What makes vectors of questions, and how near two of them have to be."""

    embedder: str
    """A target, or `onnx:` and a folder."""
    floor: float = 0.85
    """The least cosine of two questions' vectors."""
    max_entries: int = FLAT_BOUND
    verify: Literal["words", "facts"] = "words"
    every_call: bool = True
    """False: only calls that say `cache="semantic"`."""
    timeout_s: float = 2.0
    """For one vector; what takes longer is a miss."""
    dimensions: int | None = None
    """Asked of the embedder; None for its own."""

    @property
    def folder(self) -> Path | None:
        """Of the local model."""
        return Path(self.embedder.removeprefix(LOCAL)).expanduser() if self.embedder.startswith(LOCAL) else None


def _read_floor(value: object, where: Where) -> float:
    floor = read_fraction(value, where)
    if floor == 0:
        raise where.expected("a number above 0 and at most 1", value)
    return floor


def _read_embedder(value: object, where: Where) -> str:
    embedder = read_str(value, where)
    if embedder.startswith(LOCAL):
        try:
            model_files(Path(embedder.removeprefix(LOCAL)).expanduser())
        except FileNotFoundError as error:
            raise where.error(f"{error}; a local model is a folder with model.onnx and tokenizer.json") from None
        if missing := lacking("onnxruntime", "tokenizers"):
            raise where.error(f"a local model needs {' and '.join(missing)}: {_EXTRA}")
        if why := crashing():
            raise where.error(why)
        return embedder
    provider, slash, model = embedder.partition("/")
    if not (provider and slash and model):
        raise where.expected('a target such as "openai/text-embedding-3-small", or "onnx:FOLDER"', embedder)
    return embedder


_SEMANTIC: dict[str, Reader] = {
    "embedder": _read_embedder,
    "floor": _read_floor,
    "max_entries": read_positive_int,
    "verify": read_one_of(("facts", "words")),
    "every_call": read_bool,
    "timeout": read_duration,
    "dimensions": read_positive_int,
}
_FIELDS = {"timeout": "timeout_s"}


def read_semantic(value: object, where: Where) -> SemanticConfig:
    """The table. Raises `ConfigError`."""
    read: dict[str, Any] = {_FIELDS.get(key, key): item for key, item in read_table(value, _SEMANTIC, where).items()}
    if "embedder" not in read:
        form = 'a target such as "openai/text-embedding-3-small", or "onnx:FOLDER"'
        raise where.at("embedder").error(f"missing; it makes the vectors of questions: {form}")
    if lacking("numpy"):
        raise where.error(f"answers to questions that mean the same need numpy: {_EXTRA}")
    config = SemanticConfig(**read)
    if config.max_entries > FLAT_BOUND and lacking("usearch"):
        raise where.at("max_entries").error(f"more than {FLAT_BOUND:,} need usearch: {_EXTRA}")
    if config.dimensions is not None and config.folder is not None:
        raise where.at("dimensions").error("a local model has its own; take it out")
    return config
