"""Embeddings by InvokeModel, where each maker's models have a form of their own: Amazon's Titan, and Cohere."""

from __future__ import annotations

from typing import Any, Final

from penstock.wire.bedrock.words import WIRE, refused
from penstock.wire.dropping import dropped

__all__ = ["embedding_asked", "embedding_body", "embedding_object", "vectors_in"]

_Body = dict[str, Any]
_HANDLED: Final = frozenset(("model", "input", "dimensions", "encoding_format", "user"))


def embedding_body(asked: _Body, model: str) -> _Body:
    """The model's own body. Raises `CallError` bad_request: for more inputs than fit, and for tokens."""
    name = model.lower()
    given = asked.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise refused("input: only texts can be embedded here, no tokens")
    if asked.get("user") is not None:
        dropped(WIRE, "user", "requests have no end user here")
    if asked.get("encoding_format") not in (None, "float"):
        dropped(WIRE, "encoding_format", "vectors come as numbers in any case")
    rest = {key: value for key, value in asked.items() if key not in _HANDLED and value is not None}
    if "cohere." in name:
        return _cohere(texts, asked.get("dimensions"), rest, takes_dimensions="embed-v4" in name)
    if "titan-embed" in name:
        return _titan(texts, asked.get("dimensions"), rest, name)
    raise refused(f"{model} isn't known to embed; amazon.titan-embed-* and cohere.embed-* are")


def _titan(texts: list[str], dimensions: Any, rest: _Body, name: str) -> _Body:
    if len(texts) > 1:
        raise refused(f"input: Titan embeds one text a request, not {len(texts)}")
    body: _Body = {"inputText": texts[0], **rest}
    if dimensions is not None:
        if "embed-image" in name:
            body["embeddingConfig"] = {"outputEmbeddingLength": dimensions}
        elif "embed-text-v1" in name or "g1-text" in name:
            raise refused("dimensions can't be chosen for this model")
        else:
            body["dimensions"] = dimensions
    return body


def _cohere(texts: list[str], dimensions: Any, rest: _Body, *, takes_dimensions: bool) -> _Body:
    body: _Body = {"texts": texts, "input_type": "search_document", **rest}
    if dimensions is not None:
        if not takes_dimensions:
            raise refused("dimensions can't be chosen for this model")
        body["output_dimension"] = dimensions
    if takes_dimensions:
        body.setdefault("embedding_types", ["float"])
    return body


def vectors_in(said: _Body) -> tuple[list[list[float]], int | None] | None:
    """The vectors and the tokens of the input, where the body tells them; None when it holds no vectors."""
    one, many = said.get("embedding"), said.get("embeddings")
    if not isinstance(one, list):
        typed = said.get("embeddingsByType")
        one = typed.get("float") if isinstance(typed, dict) else None
    if isinstance(many, dict):
        many = many.get("float")
    found = [one] if isinstance(one, list) else many
    if not isinstance(found, list) or not all(isinstance(vector, list) for vector in found):
        return None
    if not all(isinstance(number, (int, float)) for vector in found for number in vector):
        return None
    tokens = said.get("inputTextTokenCount")
    return found, tokens if isinstance(tokens, int) else None


def embedding_asked(said: _Body) -> _Body | None:
    """The same request in OpenAI's form; None when it isn't one for embeddings."""
    if isinstance(said.get("inputText"), str):
        rest = {key: value for key, value in said.items() if key not in ("inputText", "dimensions", "embeddingConfig")}
        config = said.get("embeddingConfig")
        dimensions = config.get("outputEmbeddingLength") if isinstance(config, dict) else said.get("dimensions")
        return {"input": said["inputText"], **({"dimensions": dimensions} if dimensions is not None else {}), **rest}
    texts = said.get("texts")
    if isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts):
        rest = {key: value for key, value in said.items() if key not in ("texts", "output_dimension")}
        dimensions = said.get("output_dimension")
        return {"input": texts, **({"dimensions": dimensions} if dimensions is not None else {}), **rest}
    return None


def embedding_object(vectors: list[list[float]], tokens: int, *, one: bool) -> _Body:
    """An answer in Titan's form for `one`, in Cohere's for many."""
    if one:
        return {"embedding": vectors[0], "inputTextTokenCount": tokens}
    return {"embeddings": vectors, "id": "", "response_type": "embeddings_floats"}
