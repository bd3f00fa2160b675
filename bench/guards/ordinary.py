"""Real texts in which nobody gives orders to a model: this project's documentation, and what Python's libraries say of
themselves. They are read where the fitting runs; no text of others is kept here."""

from __future__ import annotations

import ast
import re
import sysconfig
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

__all__ = ["MOST", "docstrings", "documentation"]

_ROOT = Path(__file__).parents[2]
_LEAST_CHARS, _MOST_CHARS = 40, 3000
MOST = 1500
"""Paragraphs of a source of docstrings."""
_MOST_FILES = 300
_NO_PROSE = re.compile(r"^(?:```|\||<!--|#+ )")


def documentation() -> Iterator[tuple[str, str]]:
    """File and paragraph of the README and of docs/: prose, without code, tables and headings."""
    for path in (_ROOT / "README.md", *sorted((_ROOT / "docs").rglob("*.md"))):
        text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for paragraph in _paragraphs(text):
            if not _NO_PROSE.match(paragraph):
                yield path.name, paragraph


def docstrings(source: str) -> list[tuple[str, str]]:
    """File and paragraph of the docstrings in `stdlib` or `purelib`, those installed packages; the same ones each time
    on the same machine, chosen by their hashes."""
    root = Path(sysconfig.get_path(source))
    files = [path for path in root.rglob("*.py") if source != "stdlib" or "site-packages" not in path.parts]
    files = [path for path in files if not {"test", "tests", "penstock"} & set(path.relative_to(root).parts)]
    files.sort(key=lambda path: _place(str(path.relative_to(root))))
    found = {
        paragraph: path.name for path in files[:_MOST_FILES] for text in _docs(path) for paragraph in _paragraphs(text)
    }
    return [(found[one], one) for one in sorted(found, key=_place)[:MOST]]


def _docs(path: Path) -> Iterator[str]:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError, OSError):
        return
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield ast.get_docstring(node) or ""


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", text):
        kept = paragraph.strip()
        if _LEAST_CHARS <= len(kept) <= _MOST_CHARS:
            yield kept


def _place(text: str) -> str:
    return sha256(text.encode("utf-8", "replace")).hexdigest()
