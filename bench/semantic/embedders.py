"""What makes vectors here, where no model can be downloaded: two that know spelling and words, and any that is given.

Neither knows what a word means. A figure stands for its embedder alone.
"""

from __future__ import annotations

import math
import os
import re
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.vectors import LocalModel, normalised

__all__ = ["MODEL", "Embedder", "embedders"]

MODEL = "PENSTOCK_BENCH_EMBEDDER"
"""The variable that names a folder with model.onnx and tokenizer.json, and after a colon the floor: FOLDER:0.85."""
_DIMENSIONS = 2048


@dataclass(frozen=True)
class Embedder:
    """`floor` was chosen on the tuning pairs."""

    name: str
    floor: float
    embed: Callable[[str], Any]


def _hashed(counts: Counter[str]) -> Any:
    raw = [0.0] * _DIMENSIONS
    for part, count in counts.items():
        place = zlib.crc32(part.encode())
        raw[place % _DIMENSIONS] += math.copysign(1 + math.log(count), 1 if place & 0x80000000 else -1)
    return normalised(raw)


def characters(text: str) -> Any:
    """Runs of three to five characters."""
    spelt = f" {' '.join(re.findall(r'[^ ]+', text.lower()))} "
    return _hashed(Counter(spelt[at : at + size] for size in (3, 4, 5) for at in range(len(spelt) - size + 1)))


class Words:
    """TF-IDF: words, the rarer in the texts it was made from the heavier; one it never saw weighs as the rarest."""

    def __init__(self, texts: Sequence[str]) -> None:
        seen = Counter(word for text in texts for word in {*_words(text)})
        self._weights = {word: math.log((1 + len(texts)) / (1 + count)) + 1 for word, count in seen.items()}
        self._rarest = math.log(1 + len(texts)) + 1

    def __call__(self, text: str) -> Any:
        raw = [0.0] * _DIMENSIONS
        for word, count in Counter(_words(text)).items():
            place = zlib.crc32(word.encode())
            raw[place % _DIMENSIONS] += (1 + math.log(count)) * self._weights.get(word, self._rarest)
        return normalised(raw)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def embedders(texts: Sequence[str]) -> list[Embedder]:
    """Those of the bench; `texts` is what the one with weights learns them from."""
    found = [
        Embedder("hashed character n-grams (3 to 5)", 0.4, characters),
        Embedder("TF-IDF of words, weighed on the tuning texts", 0.4, Words(texts)),
    ]
    if given := os.environ.get(MODEL):
        folder, _, floor = given.rpartition(":")
        model = LocalModel(Path(folder or floor))
        found.append(Embedder(f"ONNX: {Path(folder or floor).name}", float(floor) if folder else 0.85, _alone(model)))
    return found


def _alone(model: LocalModel) -> Callable[[str], Any]:
    return lambda text: model.embed([text])[0]
