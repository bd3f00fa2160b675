"""The command's frame: verbs are imported when used, and every ending has its exit code and one line."""

import subprocess
import sys

import click
import pytest
from tests.cli.given import KEY, penstock

import penstock as package
from penstock.cli import main as frame
from penstock.errors import ConfigError, InputError, JournalError, PenstockError


def ends(monkeypatch, error):
    """The exit code when a verb raises `error`."""

    @click.command()
    def failing():
        raise error

    monkeypatch.setattr(frame._Verbs, "get_command", lambda *_: failing)
    return frame.run(["run"])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("a setting"), 2),
        (InputError("a line"), 2),
        (JournalError("a journal"), 2),
        (click.UsageError("an option"), 2),
        (PenstockError("no answer"), 1),
        (OSError(28, "No space left on device"), 4),
        (KeyError("a bug"), 5),
        (KeyboardInterrupt(), 3),
    ],
)
def test_every_ending_has_its_exit_code_and_no_traceback(monkeypatch, capsys, error, code):
    assert ends(monkeypatch, error) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err


def test_a_bug_is_one_line_that_says_how_to_see_more_and_shows_no_key(monkeypatch, capsys):
    ends(monkeypatch, ValueError(f"broken by {KEY}"))
    (line,) = capsys.readouterr().err.splitlines()
    assert "this is a bug in penstock: ValueError" in line
    assert "--log-level debug" in line
    assert KEY not in line


def test_an_error_of_the_system_is_told_with_its_file_and_without_its_number(monkeypatch, capsys):
    ends(monkeypatch, OSError(13, "Permission denied", "/there/out.jsonl"))
    assert capsys.readouterr().err == "penstock: /there/out.jsonl: Permission denied\n"


def test_exit_codes_of_the_verb_come_through(monkeypatch):
    @click.command()
    @click.pass_context
    def stopped(ctx):
        ctx.exit(3)

    monkeypatch.setattr(frame._Verbs, "get_command", lambda *_: stopped)
    assert frame.run(["run"]) == 3


def test_help_lists_every_verb_and_imports_none(tmp_path):
    ended = penstock("--help", cwd=tmp_path)
    assert ended.code == 0
    assert all(f"  {verb} " in ended.out for verb in frame.VERBS)
    loaded = "{'rich', 'wreq'} & set(sys.modules)"
    code = f"import sys; from penstock.cli.main import run; run(['--help']); print({loaded})"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "set()"


@pytest.mark.parametrize("verb", frame.VERBS)
def test_every_verb_has_help_and_a_log_level(verb, tmp_path):
    ended = penstock(verb, "--help", cwd=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    assert "--log-level" in ended.out


def test_the_version_is_the_packages(tmp_path):
    assert penstock("--version", cwd=tmp_path).out.strip().endswith(package.__version__)


def test_an_unknown_verb_names_the_nearest(tmp_path):
    ended = penstock("rnu", cwd=tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert 'unknown command "rnu"; did you mean "run"?' in ended.err


def test_warnings_are_one_line(capsys, monkeypatch):
    import warnings

    from penstock.config import ConfigWarning

    @click.command()
    def warning():
        warnings.warn(f"others can read {KEY}", ConfigWarning, stacklevel=1)

    monkeypatch.setattr(frame._Verbs, "get_command", lambda *_: warning)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert frame.run(["run"]) == 0
    assert capsys.readouterr().err == "penstock: warning: others can read [key]\n"
