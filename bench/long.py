"""By hand or at night: the memory of a million requests, and how soon a run with a million answers goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bench.samples import Sample, penstock_run
from bench.work import Work, write_requests

__all__ = ["memory", "resume_s"]

FEW = 10_000


def memory(work: Work, many: int, *, core: set[int], folder: Path) -> dict[str, list[Sample]]:
    """One run each of 10,000 and of `many` requests; leaves the second one's journal and output in `folder`."""
    work = replace(work, file=folder / "many.jsonl")
    write_requests(work.file, many + 1)
    taken = {}
    for count in (FEW, many):
        cost = penstock_run(replace(work, count=count), core=core, folder=folder, limit=count)
        sample = Sample(count / cost.wall_s, cost.cpu_s / count * 1e6, cost.peak_bytes, cost.wall_s)
        taken[f"penstock run, {count:,} requests"] = [sample]
    return taken


def resume_s(work: Work, answered: int, *, core: set[int], folder: Path) -> float:
    """Seconds from the command's start to its first new request, when all but one of the lines have an answer."""
    with _first_request() as (url, seen_s):
        work = replace(work, url=url, file=folder / "many.jsonl", count=answered + 1)
        started_s = time.monotonic()
        penstock_run(work, core=core, folder=folder, keep=True)
    return seen_s[0] - started_s


_BODY = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1767225600,"model":"fast","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"Yes."},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":250,"completion_tokens":1,"total_tokens":251}}'
)


@contextmanager
def _first_request() -> Iterator[tuple[str, list[float]]]:
    """A provider that remembers when it was asked."""
    seen_s: list[float] = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen_s.append(time.monotonic())
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(_BODY)))
            self.end_headers()
            self.wfile.write(_BODY)

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", seen_s
    finally:
        server.shutdown()
        server.server_close()
