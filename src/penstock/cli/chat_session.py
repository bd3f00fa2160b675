"""One sitting of `penstock chat`: lines in, answers out, until the lines end."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Any

import click

from penstock.client import Client
from penstock.conversation import Conversation
from penstock.errors import InputError, PenstockError
from penstock.observers.logging import masked

__all__ = ["Session"]

_MOST_LINE = 16 * 1024 * 1024
_EXIT_UNANSWERED = 1
_ALONE = frozenset(("undo", "reset"))
"""Commands that take something away: what stands after one was meant to change what."""
_HELP = """\
/undo          take the last question and its answer back
/fork NAME     go on in a copy, kept under that name
/stats         messages, tokens, cost
/save PATH     write the conversation to a JSON file
/model MODEL   ask another target or route from now on
/system TEXT   replace the system prompt
/reset         forget everything but the system prompt
/quit          leave, as Ctrl-D does; Ctrl-C stops an answer
//TEXT         a question that begins with a slash"""


class _Leave(Exception):
    """The user wants to go."""


class Session:
    """Talks until the input ends. Answers go to stdout, everything else to stderr."""

    def __init__(self, conversation: Conversation[Client], params: dict[str, Any], store: str) -> None:
        self._conversation = conversation
        self._params = params
        self._store = store
        self._is_terminal = sys.stdin.isatty()
        self._failed = False
        self._left_out = 0
        self._commands: dict[str, Callable[[str], None]] = {
            "help": lambda _: self._say(_HELP),
            "undo": self._undo,
            "fork": self._fork,
            "stats": self._stats,
            "save": self._save,
            "model": self._model,
            "system": self._system,
            "reset": self._reset,
            "quit": self._quit,
            "exit": self._quit,
        }

    def run(self) -> int:
        """The exit code: 0, or 1 when a piped question has no answer."""
        if self._is_terminal:
            with contextlib.suppress(ImportError):
                import readline  # noqa: F401 - gives `input` its line editing
            self._greet()
        with contextlib.suppress(_Leave):
            while True:
                try:
                    line = self._line()
                    if line is None:
                        break
                    self._do(line.strip())
                except KeyboardInterrupt:
                    if not self._is_terminal:
                        raise
                    self._say("\n(Ctrl-D or /quit leaves)")
        return _EXIT_UNANSWERED if self._failed and not self._is_terminal else 0

    def _greet(self) -> None:
        said = len(self._conversation)
        name = self._conversation.name
        kept = f'"{name}", {said} message(s) so far. ' if name else ""
        self._say(f"{kept}Asking {self._who()}. /help lists commands, Ctrl-D leaves.")

    def _who(self) -> str:
        model = self._conversation.model
        if model is None:
            return "the route default"
        return model if isinstance(model, str) else ", ".join(model)

    def _line(self) -> str | None:
        """The next line; None at the end."""
        if not self._is_terminal:
            data = sys.stdin.buffer.readline(_MOST_LINE + 1)
            if len(data) > _MOST_LINE:
                raise InputError(f"a question is longer than {_MOST_LINE // 1024 // 1024} MiB")
            return data.decode("utf-8", "replace") if data else None
        try:
            if sys.stdout.isatty():
                return input("> ")
            click.echo("> ", nl=False, err=True)  # the answers go elsewhere
            return input()
        except EOFError:
            click.echo(err=True)
            return None
        except UnicodeDecodeError:
            self._say("that was no UTF-8; nothing was asked")
            return ""

    def _do(self, line: str) -> None:
        if not line:
            return
        if not line.startswith("/") or line.startswith("//"):
            self._ask(line[1:] if line.startswith("//") else line)
            return
        word, _, rest = line[1:].partition(" ")
        act = self._commands.get(word)
        if act is None:
            from penstock.config.suggest import did_you_mean

            self._fail(f"no command /{word}{did_you_mean(word, self._commands)} (//{word} asks it)")
            return
        try:
            if word in _ALONE and rest.strip():
                raise InputError(f"/{word} takes nothing after it; nothing was done")
            act(rest.strip())
        except PenstockError as error:
            self._fail(str(error))
        except OSError as error:
            self._fail(f"{error.filename or rest}: {error.strerror or error}")

    def _ask(self, text: str) -> None:
        last = "\n"
        try:
            with self._conversation.stream(text, extra=self._params) as stream:
                for chunk in stream:
                    if chunk.text and chunk.choice == 0:
                        click.echo(chunk.text, nl=False)
                        last = chunk.text[-1]
            if last != "\n":
                click.echo()
                last = "\n"
            self._remark(stream.answer)
        except KeyboardInterrupt:
            if not self._is_terminal:
                raise
            self._say(f"{'' if last == chr(10) else chr(10)}(stopped; the question and this answer are not kept)")
        except PenstockError as error:
            if last != "\n":
                click.echo()
            self._fail(f"{error}; the question was not kept")

    def _remark(self, answer: Any) -> None:
        """What the text doesn't say of itself."""
        if answer.status != "success":
            self._say(f"(the answer is {answer.status}, finish reason {answer.finish_reason})")
        if answer.tool_calls:
            self._conversation.undo()
            self._say(f"(the answer calls {len(answer.tool_calls)} tool(s), which a chat can't run; it was taken back)")
        sent = self._conversation.last_sent
        if sent is None:
            return
        if sent.trouble:
            self._say(masked(f"({sent.trouble})"))
        if sent.left_out and not self._left_out:
            self._say(f"(the oldest {sent.left_out} message(s) don't fit any more and were not sent; /stats tells)")
        self._left_out = sent.left_out

    def _say(self, text: str) -> None:
        click.echo(text, err=True)

    def _fail(self, text: str) -> None:
        self._failed = True
        self._say(masked(f"penstock: {text}"))

    # What begins with a slash.

    def _undo(self, _rest: str) -> None:
        taken = self._conversation.undo()
        asked = next((message.text for message in taken if message.role == "user"), "")
        self._say(f"(taken back: {asked[:60] or 'the last message'})")

    def _fork(self, name: str) -> None:
        if not name:
            raise InputError("/fork NAME: under which name?")
        fork = self._conversation.fork()
        fork.keep(name, self._store)
        self._conversation = fork
        self._say(f'(now in "{name}", kept)')

    def _stats(self, _rest: str) -> None:
        stats = self._conversation.stats()
        roles = ", ".join(f"{count} {role}" for role, count in stats.by_role.items())
        full = "" if stats.utilisation is None else f" of {stats.limit:,} ({stats.utilisation:.0%})"
        sent = "too many to send" if stats.context_tokens is None else f"{stats.context_tokens:,} to send{full}"
        cost = "unknown" if stats.cost_usd is None else f"${stats.cost_usd:.4f}"
        self._say(
            f"messages  {stats.messages}{f' ({roles})' if roles else ''}\n"
            f"tokens    {stats.tokens:,} in all, {sent}\n"
            f"left out  {stats.left_out} ({stats.summarised} more in a summary)\n"
            f"usage     {stats.usage.input_tokens:,} in, {stats.usage.output_tokens:,} out, "
            f"{stats.answers} answer(s), {stats.summaries} summary(ies)\n"
            f"cost      {cost}\n"
            f"time      {stats.duration_s:.0f} s, {stats.answering_s:.1f} s of it waiting for answers"
        )

    def _save(self, path: str) -> None:
        if not path:
            raise InputError("/save PATH: to which file?")
        self._conversation.save(path)
        self._say(f"(saved to {path})")

    def _model(self, models: str) -> None:
        if models:
            words = models.replace(",", " ").split()
            self._conversation.model = words[0] if len(words) == 1 else words
        self._say(f"(asking {self._who()})")

    def _system(self, text: str) -> None:
        if text:
            self._conversation.system = text
        self._say(f"(system prompt: {self._conversation.system or 'none'})")

    def _reset(self, _rest: str) -> None:
        self._conversation.clear()
        self._left_out = 0
        self._say("(everything but the system prompt is forgotten)")

    def _quit(self, _rest: str) -> None:
        raise _Leave
