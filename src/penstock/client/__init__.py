"""What users hold: clients, requests, streams, batches. Each builds a call and awaits a handler; none decides."""

from penstock.client.asynchronous import AsyncClient
from penstock.client.batch import Batch
from penstock.client.blocking import BlockingKeys, Client
from penstock.client.request import Prompt, Request
from penstock.client.stream import AsyncStream, Stream
from penstock.client.vocabulary import ChatOptions, ClientOptions, CompletionOptions, EmbeddingOptions

__all__ = [
    "AsyncClient",
    "AsyncStream",
    "Batch",
    "BlockingKeys",
    "ChatOptions",
    "Client",
    "ClientOptions",
    "CompletionOptions",
    "EmbeddingOptions",
    "Prompt",
    "Request",
    "Stream",
]
