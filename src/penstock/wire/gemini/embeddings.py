"""Embeddings in Google's three forms: `batchEmbedContents`, `embedContent`, and Vertex's `predict`; both halves."""

from __future__ import annotations

import re
from typing import Any, Final, Literal

from penstock.call import Completion, Usage
from penstock.errors import CallError
from penstock.http import WireReply
from penstock.wire.dropping import dropped
from penstock.wire.gemini.errors import broken, in_band, request_id_of
from penstock.wire.gemini.fault import read_fault
from penstock.wire.gemini.parts import WIRE, camel, refuse, text_of
from penstock.wire.gemini.shapes import Embeddings, Values, decode_embeddings
from penstock.wire.gemini.words import usage_of

__all__ = ["METHODS", "Method", "embedding_request", "inputs_in", "method_for", "vectors_in", "vectors_out"]

Method = Literal["batchEmbedContents", "embedContent", "predict"]
METHODS: Final[tuple[Method, ...]] = ("batchEmbedContents", "embedContent", "predict")
_ONE_EACH: Final = re.compile(r"(?:.*/)?gemini-embedding-(?!001)")
"""On Vertex these have `embedContent`, the older ones `predict`."""

_DROPPED: Final = {"user": "Gemini takes no end user's name", "encoding_format": "vectors come as numbers in any case"}
_NEUTRAL: Final = {"taskType": "task_type", "autoTruncate": "auto_truncate", "title": "title"}
_Said = dict[str, Any]


def method_for(body: _Said, model: str, *, vertex: bool) -> Method:
    """Which of Google's methods embeds this."""
    if vertex:
        return "embedContent" if _ONE_EACH.match(model) else "predict"
    return "embedContent" if isinstance(body.get("input"), str) else "batchEmbedContents"


def embedding_request(body: _Said, model: str, *, vertex: bool) -> tuple[Method, _Said]:
    """The method and the body.

    Raises `CallError` bad_request for token ids, and for several texts where one is embedded at a time.
    How many texts a request may hold elsewhere is the catalog's to say and the provider's to check.
    """
    inputs = _texts(body.get("input"))
    settings = _settings(body)
    method = method_for(body, model, vertex=vertex)
    if method == "predict":
        return method, _predict(inputs, settings)
    if vertex and len(inputs) > 1:
        raise refuse(f"input: Vertex embeds one text at a time by {model}, not {len(inputs)}")
    if vertex:
        config = {"embedContentConfig": settings} if settings else {}
        return method, {"content": _content(inputs[0]), **config}
    if method == "embedContent":
        return method, {"model": _named(model), "content": _content(inputs[0]), **settings}
    return method, {"requests": [{"model": _named(model), "content": _content(text), **settings} for text in inputs]}


def _texts(said: Any) -> list[str]:
    inputs = [said] if isinstance(said, str) else said
    if not isinstance(inputs, list) or not inputs:
        raise refuse("input: expected a text or a list of texts")
    if not all(isinstance(one, str) for one in inputs):
        raise refuse("input: Gemini takes texts, no token ids")
    return inputs


def _settings(body: _Said) -> _Said:
    settings: _Said = {}
    for name, value in body.items():
        if value is None or name in ("model", "input"):
            continue
        if name == "dimensions":
            settings["outputDimensionality"] = value
        elif name in _DROPPED:
            if value != "float":
                dropped(WIRE, name, _DROPPED[name])
        else:
            settings.update(camel({name: value}))
    return settings


def _content(text: str) -> _Said:
    return {"parts": [{"text": text}]}


def _named(model: str) -> str:
    return model if "/" in model else f"models/{model}"


def _predict(inputs: list[str], settings: _Said) -> _Said:
    each = {name: settings.pop(key) for key, name in (("taskType", "task_type"), ("title", "title")) if key in settings}
    body: _Said = {"instances": [{"content": text, **each} for text in inputs]}
    return {**body, "parameters": settings} if settings else body


def vectors_in(reply: WireReply, *, inputs: int | None) -> Completion:
    """The vectors in a 2xx, in the order of the inputs. Raises `CallError` when it holds none."""
    try:
        said = decode_embeddings(reply.body)
    except ValueError as error:
        body = reply.body.strip()
        what = read_fault(body).message if body[:1] == b"<" else f"no JSON object: {error}"
        raise broken(reply, f"the body is {what}" if body else "the body is empty") from error
    if said.error:
        found = in_band({"error": said.error}, reply.body, reply.headers)
        found.status = reply.status
        raise found
    values = _values(said)
    vectors = tuple([one.values for one in values if one is not None and one.values])
    if not vectors or len(vectors) != len(values):
        raise broken(reply, "the answer has no vectors", "empty")
    if inputs is not None and len(vectors) != inputs:
        raise broken(reply, f"{len(vectors)} vectors came for {inputs} inputs")
    return Completion(
        kind="embedding",
        vectors=vectors,
        usage=_usage(said, values),
        model=said.model_version or "",
        raw=reply.body,
        request_id=request_id_of(reply.headers),
    )


def _values(said: Embeddings) -> list[Values | None]:
    if said.embeddings is not None:
        return [*said.embeddings]
    if said.predictions is not None:
        return [one.embeddings for one in said.predictions]
    return [said.embedding]


def _usage(said: Embeddings, values: list[Values | None]) -> Usage | None:
    usage = usage_of(said.usage_metadata)
    if usage is not None:
        return usage
    counts = [
        one.statistics.token_count
        for one in values
        if one is not None and one.statistics is not None and one.statistics.token_count is not None
    ]
    return Usage(int(sum(counts))) if counts else None


# -- the server half


def inputs_in(method: Method, said: _Said) -> _Said:
    """OpenAI's body of what a client asked. Raises `CallError` bad_request."""
    said = camel(said)
    if method == "predict":
        instances = said.get("instances")
        asked = [camel(one) for one in instances] if isinstance(instances, list) else []
        settings = {
            **camel(said.get("parameters")),
            **{key: asked[0][key] for key in _NEUTRAL if asked and key in asked[0]},
        }
        texts = [str(one.get("content") or "") for one in asked]
    elif method == "batchEmbedContents":
        requests = said.get("requests")
        each = [camel(one) for one in requests] if isinstance(requests, list) else []
        texts = [_written(one) for one in each]
        settings = {**each[0], **camel(each[0].get("embedContentConfig"))} if each else {}
    else:
        texts = [_written(said)]
        settings = {**said, **camel(said.get("embedContentConfig"))}
    if not texts:
        raise CallError("bad_request", "there is nothing to embed", status=400)
    alone = method == "embedContent" or (method == "predict" and len(texts) == 1)
    body: _Said = {"input": texts[0] if alone else texts}
    if settings.get("outputDimensionality") is not None:
        body["dimensions"] = settings["outputDimensionality"]
    body |= {name: settings[key] for key, name in _NEUTRAL.items() if settings.get(key) is not None}
    return body


def _written(request: _Said) -> str:
    content = request.get("content")
    parts = content.get("parts") if isinstance(content, dict) else None
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise CallError("bad_request", "content: expected an object with parts", status=400)
    return text_of(parts)


def vectors_out(completion: Completion, method: Method) -> _Said:
    """The vectors as Google answers `method`."""
    tokens = completion.usage.input_tokens if completion.usage is not None else 0
    # No form of this answer names the model. Ours does, where the others have it.
    named = {"modelVersion": completion.model} if completion.model else {}
    usage = {"usageMetadata": {"promptTokenCount": tokens, "totalTokenCount": tokens}} if completion.usage else {}
    if method == "predict":
        # The count of all stands at the first.
        counts = [tokens] + [0] * (len(completion.vectors) - 1)
        predictions = [
            {"embeddings": {"values": list(vector), "statistics": {"token_count": count, "truncated": False}}}
            for vector, count in zip(completion.vectors, counts, strict=True)
        ]
        return {"predictions": predictions, **named}
    if method == "embedContent" and len(completion.vectors) == 1:
        return {"embedding": {"values": list(completion.vectors[0])}, **usage, **named}
    return {"embeddings": [{"values": list(vector)} for vector in completion.vectors], **usage, **named}
