"""A sentence embedder in ONNX form, written byte by byte: each word has a vector of its own, and nothing else."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

__all__ = ["write_model"]

WORDS = ("[PAD]", "[UNK]", "how", "do", "can", "i", "reset", "my", "password", "router", "?")


def _varint(number: int) -> bytes:
    found = b""
    while number > 0x7F:
        found += bytes([number & 0x7F | 0x80])
        number >>= 7
    return found + bytes([number])


def _number(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number)


def _bytes(field: int, data: bytes | str) -> bytes:
    data = data.encode() if isinstance(data, str) else data
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _value(name: str, kind: int, shape: Sequence[str | int]) -> bytes:
    """A ValueInfoProto: a tensor of `kind` (1 float, 7 int64) and shape, whose texts are open."""
    dims = b"".join(_bytes(1, _bytes(2, dim) if isinstance(dim, str) else _number(1, dim)) for dim in shape)
    return _bytes(1, name) + _bytes(2, _bytes(1, _number(1, kind) + _bytes(2, dims)))


def write_model(
    folder: Path, vectors: Sequence[Sequence[float]], *, inputs: Sequence[str] = ("attention_mask",)
) -> Path:
    """`model.onnx`, which looks each token up in `vectors`, and the tokenizer of `WORDS`."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.normalizers import Lowercase
    from tokenizers.pre_tokenizers import Whitespace

    size = len(vectors[0])
    table = struct.pack(f"<{len(vectors) * size}f", *(number for row in vectors for number in row))
    tensor = _number(1, len(vectors)) + _number(1, size) + _number(2, 1) + _bytes(8, "table") + _bytes(9, table)
    node = _bytes(1, "table") + _bytes(1, "input_ids") + _bytes(2, "said") + _bytes(4, "Gather")
    given = b"".join(_bytes(11, _value(name, 7, ("batch", "tokens"))) for name in ("input_ids", *inputs))
    graph = _bytes(1, node) + _bytes(2, "words") + _bytes(5, tensor) + given
    graph += _bytes(12, _value("said", 1, ("batch", "tokens", size)))
    model = _number(1, 8) + _bytes(8, _bytes(1, "") + _number(2, 17)) + _bytes(7, graph)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(model)
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder
