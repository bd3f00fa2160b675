"""A transport that nobody closed never keeps a process from ending, and a forked child can open its own."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

_START = """
import asyncio, os, signal, sys, threading
import uvloop
from penstock.http import Timeouts, WireRequest
from penstock.testing.exam_transport.server import serve, reply
from penstock.transport import open_transport

adapter, run = sys.argv[1], {"asyncio": asyncio.run, "uvloop": uvloop.run}[sys.argv[2]]
plain, watched = Timeouts(), Timeouts(first_byte=50.0)

def ask(url):
    return WireRequest("POST", url, {}, b"{}")

async def script(peer):
    while True:
        if (await peer.request()).target == "/silent":
            await peer.gone()
        await peer.send(reply())

async def use():
    async with serve(script) as server:
        transport = open_transport(adapter)
        for limits in (plain, watched):
            assert (await transport.send(ask(server.url), limits)).body == b"ok"
        await transport.aclose()

async def leave(then):
    async with serve(script) as server:
        transport = open_transport(adapter)
        await transport.send(ask(server.url), plain)
        work = [asyncio.ensure_future(transport.send(ask(server.url + "/silent"), each)) for each in (plain, watched)]
        for task in work:
            task.add_done_callback(lambda task: task.cancelled() or task.exception())
        await server.until(lambda server: server.count("/silent") == 2)
        print("there", flush=True)
        await then(work)
"""

_FORK = """
run(use())
pid = os.fork()
if not pid:
    run(use())
    os._exit(5)
run(use())
print("there")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
_INTERRUPT = """
async def then(work): await asyncio.gather(*work)
try: run(leave(then))
except KeyboardInterrupt: sys.exit(3)
"""
_THREADS = """
threads = [threading.Thread(target=lambda: run(use())) for _ in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print("there")
"""
_ENDS = {
    "main_returns": ("async def then(work): pass\nrun(leave(then))", 0),
    "sys_exit": ("async def then(work): sys.exit(7)\nrun(leave(then))", 7),
    "interrupted": (_INTERRUPT, 3),
    "terminated": ("async def then(work): await asyncio.gather(*work)\nrun(leave(then))", -signal.SIGTERM),
    "forked": (_FORK, 5),
    "fork_ends": (_FORK.replace("os._exit(5)", "sys.exit(5)"), 5),
    "threads": (_THREADS, 0),
}
_SIGNALS = {"interrupted": signal.SIGINT, "terminated": signal.SIGTERM}


@pytest.mark.skipif(sys.platform == "win32", reason="signals and forks")
@pytest.mark.parametrize("end", _ENDS)
@pytest.mark.parametrize(("adapter", "loop"), [("wreq", "asyncio"), ("wreq", "uvloop"), ("aiohttp", "asyncio")])
def test_process_ends(adapter: str, loop: str, end: str) -> None:
    _ends(adapter, loop, end)


@pytest.mark.skipif(sys.platform == "win32", reason="signals and forks")
def test_process_that_ends_while_bodies_are_on_their_way_does_not_crash() -> None:
    """A thread of wreq's that drops a body while the interpreter ends would crash about every third of these."""
    for _ in range(6):
        _ends("wreq", "asyncio", "main_returns")


def _ends(adapter: str, loop: str, end: str) -> None:
    code, expected = _ENDS[end]
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _START + code, adapter, loop],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n", process.stderr.read() if process.stderr else ""
        if end in _SIGNALS:
            process.send_signal(_SIGNALS[end])
        _, errors = process.communicate(timeout=15)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == expected, errors
    assert "Traceback" not in errors
    assert "panicked" not in errors
