"""A sentence embedder in ONNX form, run here: its two files are the user's, nothing is ever downloaded.

The usual export of a sentence transformer: `tokenizer.json` and `model.onnx` in one folder. What the model says of
each token is averaged over the tokens of the text (the attention mask says which those are) and brought to length 1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from penstock.vectors.packages import crashing, normalised

__all__ = ["LocalModel", "model_files"]

_MOST_TOKENS: Final = 512
_FILES: Final = (("model.onnx", "onnx/model.onnx"), ("tokenizer.json",))


def model_files(folder: Path) -> tuple[Path, Path]:
    """The model and its tokenizer. Raises `FileNotFoundError` that names the one that isn't there."""
    found = []
    for names in _FILES:
        paths = [folder / name for name in names if (folder / name).is_file()]
        if not paths:
            raise FileNotFoundError(f"{folder / names[0]} isn't there")
        found.append(paths[0])
    return found[0], found[1]


class LocalModel:
    """Loaded when the first text is embedded. Safe for threads."""

    def __init__(self, folder: Path, *, max_tokens: int = _MOST_TOKENS) -> None:
        """Raises `FileNotFoundError` when a file isn't there."""
        self._model, self._tokenizer_file = model_files(folder)
        self._max_tokens = max_tokens
        self._session: Any = None
        self._tokenizer: Any = None
        self._inputs: frozenset[str] = frozenset()

    def fingerprint(self) -> str:
        """Sixteen hex digits of what is in its files: another model's vectors mean something else."""
        digest = hashlib.blake2b(digest_size=8)
        for path in (self._model, self._tokenizer_file):
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()

    def embed(self, texts: Sequence[str]) -> list[Any]:
        """A vector of length 1 for each text. Raises `ValueError` for files that are no such model."""
        import numpy as np

        if self._session is None:
            self._load()
        encodings = self._tokenizer.encode_batch(list(texts))
        mask = np.array([encoding.attention_mask for encoding in encodings], dtype=np.int64)
        given = {
            "input_ids": np.array([encoding.ids for encoding in encodings], dtype=np.int64),
            "attention_mask": mask,
            "token_type_ids": np.array([encoding.type_ids for encoding in encodings], dtype=np.int64),
        }
        try:
            said = self._session.run(None, {name: given[name] for name in self._inputs})[0]
        except (KeyError, RuntimeError, ValueError) as error:
            raise ValueError(f"{self._model}: {error}") from error
        except Exception as error:
            # onnxruntime's own errors have no common class but this one.
            raise ValueError(f"{self._model}: {type(error).__name__}: {error}") from error
        return [normalised(vector) for vector in pooled(said, mask)]

    def _load(self) -> None:
        if why := crashing():
            raise ValueError(f"{self._model}: {why}")
        import onnxruntime
        from tokenizers import Tokenizer

        try:
            tokenizer = Tokenizer.from_file(str(self._tokenizer_file))
        except Exception as error:
            raise ValueError(f"{self._tokenizer_file}: no tokenizer: {error}") from error
        tokenizer.enable_truncation(self._max_tokens)
        tokenizer.enable_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(str(self._model), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise ValueError(f"{self._model}: no ONNX model: {error}") from error
        inputs = frozenset(one.name for one in session.get_inputs())
        unknown = inputs - {"input_ids", "attention_mask", "token_type_ids"}
        if unknown:
            raise ValueError(f"{self._model}: wants {', '.join(sorted(unknown))}, which no sentence embedder does")
        self._inputs, self._tokenizer, self._session = inputs, tokenizer, session


def pooled(said: Any, mask: Any) -> Any:
    """One row a text: the mean over its tokens, or what the model says when it pools itself. Raises `ValueError`."""
    import numpy as np

    if said.ndim == 2:
        return said
    if said.ndim != 3 or said.shape[:2] != mask.shape:
        raise ValueError(f"a model's output of the shape {said.shape} is neither of tokens nor of texts")
    weights = mask[:, :, None].astype(np.float32)
    return (said * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-9)
