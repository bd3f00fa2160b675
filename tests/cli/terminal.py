"""The command at a terminal of its own: what a person types, and what stands on the screen."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from types import TracebackType

__all__ = ["Terminal"]

_PATIENCE_S = 30.0


class Terminal:
    """`penstock ARGS` behind a pseudo-terminal, which it controls: Ctrl-C reaches it as a signal."""

    def __init__(self, *args: str, cwd: object) -> None:
        self._seen = ""
        ours, theirs = pty.openpty()
        self._screen = ours
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, os.ttyname(theirs), *args],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=cwd,  # type: ignore[arg-type]
            start_new_session=True,
            env={"PATH": os.environ["PATH"], "HOME": str(cwd), "TERM": "dumb"},
        )
        os.close(theirs)

    def type(self, text: str) -> None:
        """Press the keys."""
        os.write(self._screen, text.encode())

    def expect(self, text: str) -> None:
        """Wait until the text stands on the screen, behind what was expected before."""
        until_s = time.monotonic() + _PATIENCE_S
        while text not in self._seen:
            assert self._read(until_s), f"{text!r} never came; there is {self._seen!r}"
        self._seen = self._seen.partition(text)[2]

    def ended(self) -> int:
        """The exit code."""
        until_s = time.monotonic() + _PATIENCE_S
        while self._read(until_s):
            pass
        return self._process.wait(_PATIENCE_S)

    def _read(self, until_s: float) -> bool:
        if not select.select([self._screen], [], [], max(0.0, until_s - time.monotonic()))[0]:
            return False
        try:
            data = os.read(self._screen, 65536)
        except OSError:  # nobody has the other side open any more
            return False
        self._seen += data.decode("utf-8", "replace")
        return bool(data)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._screen)


_START = """
import os, sys
os.close(os.open(sys.argv.pop(1), os.O_RDWR))  # the first terminal that a session's leader opens is its own
from penstock.cli.main import main
main()
"""
