"""Blocking code reaches a loop in a thread, from anywhere, and nothing stays behind."""

import asyncio
import os
import signal
import subprocess
import sys
import threading

import pytest

from penstock.errors import PenstockError
from penstock.portal import Portal


@pytest.fixture
def portal():
    portal = Portal()
    yield portal
    portal.close()


async def answer(value):
    await asyncio.sleep(0)
    return value


def test_the_result_and_the_error_come_back(portal):
    async def fail():
        raise ValueError("mine")

    assert portal.run(answer(3)) == 3
    with pytest.raises(ValueError, match="mine"):
        portal.run(fail())


def test_it_works_inside_a_running_loop(portal):
    async def notebook_cell():
        return portal.run(answer("from a thread"))

    assert asyncio.run(notebook_cell()) == "from a thread"


def test_no_thread_starts_before_the_first_use_and_none_stays_after_close():
    before = threading.active_count()
    portal = Portal()
    assert threading.active_count() == before
    portal.run(answer(1))
    assert threading.active_count() == before + 1
    portal.close()
    portal.close()
    assert threading.active_count() == before


def test_a_closed_portal_says_so(portal):
    portal.close()
    with pytest.raises(PenstockError, match="the client is closed"):
        portal.run(answer(1))


def test_closing_ends_a_call_that_another_thread_waits_for(portal):
    started = threading.Event()
    ended = []

    async def hang():
        started.set()
        await asyncio.Event().wait()

    def wait():
        with pytest.raises(PenstockError, match="closed while the call was running"):
            portal.run(hang())
        ended.append(True)

    thread = threading.Thread(target=wait)
    thread.start()
    assert started.wait(10)
    portal.close()
    thread.join(10)
    assert ended == [True]


def test_a_call_from_the_loops_own_thread_is_refused_instead_of_waiting_for_itself(portal):
    async def nested():
        portal.run(answer(1))

    with pytest.raises(PenstockError, match="would wait for itself"):
        portal.run(nested())


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_cancels_the_request_before_it_is_raised(portal):
    gave_back = []

    async def hang():
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            gave_back.append(True)

    with pytest.raises(KeyboardInterrupt):
        portal.run(hang())
    assert gave_back == [True]


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_ctrl_c_that_does_not_interrupt_the_wait_is_seen_all_the_same(portal):
    async def hang():
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()

    portal.run(answer(1))  # its thread starts, and takes the signal in place of this one
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with pytest.raises(KeyboardInterrupt):
            portal.run(hang())
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_a_timeout_of_the_work_itself_is_raised(portal):
    async def late():
        raise TimeoutError("late")

    with pytest.raises(TimeoutError, match="late"):
        portal.run(late())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_after_a_fork_the_child_is_told_what_to_do():
    code = """
import os
from penstock.errors import PenstockError
from penstock.portal import Portal

async def answer():
    return 1

portal = Portal()
portal.run(answer())
child = os.fork()
if child == 0:
    try:
        portal.run(answer())
    except PenstockError as error:
        os._exit(7 if "make the client after the fork" in str(error) else 8)
    os._exit(9)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status))
portal.close()
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert ended.stdout == "7\n"
