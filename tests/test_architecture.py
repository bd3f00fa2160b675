"""Who may import whom, and what doesn't grow: the rules of docs/architecture.md, checked by reading the source.

A rule that is in the way of better code is changed here, in docs/architecture.md and in the code in one commit, with
half a page in docs/decisions/ that says why.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "penstock"

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60


@dataclass(frozen=True)
class Rule:
    """What a unit may import besides the words and itself, and why not more."""

    may: tuple[str, ...]
    why: str


WORDS = ("call", "errors", "clock", "handler", "http", "fold", "questions")
"""What everyone shares; the words know only each other."""

INNER = ("catalog", "credentials", "prices", "prompts", "stores", "tokens", "vectors")
MIDDLE = ("wire", "transport", "policies", "race", "observers", "guards")

IMPORTS: dict[str, Rule] = {
    "catalog": Rule((), "facts about providers: data and its loader, used by everyone, using no one"),
    "credentials": Rule((), "keys and signatures are handed in; they know neither wires nor limits"),
    "tokens": Rule((), "how many tokens a request has: over words alone, for limits, budgets and conversations alike"),
    "prices": Rule((), "what tokens cost: data and arithmetic, used by everyone, using no one"),
    "prompts": Rule(("tokens",), "values and text in, text out: a prompt knows neither requests nor who is asked"),
    "stores": Rule((), "bytes under keys: a store knows neither requests nor answers"),
    "vectors": Rule((), "numbers and bytes: what a vector stands for is its owner's business"),
    "wire": Rule(("catalog",), "a codec turns bytes into words: no sockets, no keys, no limits"),
    "transport": Rule((), "a transport moves bytes and nothing else"),
    "policies": Rule(INNER, "a policy sees the envelope, never the letter or the socket"),
    "race": Rule((), "one race decides, over words alone, so that it runs in tests by the million"),
    "guards": Rule((), "guards see the envelope and the neutral body, and nothing of what is behind them"),
    "observers": Rule((), "observers are handed in as callables of the seam; nothing depends on who watches"),
    "endpoint": Rule((*INNER, "wire", "transport"), "the only place where a codec meets moving bytes"),
    "splitting": Rule((), "a layer over words alone: it reads the inputs and asks the handler it was given"),
    "packing": Rule(("splitting",), "single inputs joined over words alone: it asks the handler it was given"),
    "simulator": Rule(("catalog", "wire"), "a provider seen from its other side: the wire's server half and no client"),
    "config": Rule((*INNER, *MIDDLE), "settings become the values of layers; nothing is built here"),
    "wiring": Rule(
        (*INNER, *MIDDLE, "endpoint", "splitting", "packing", "simulator", "config"),
        "the one place that may know every part",
    ),
    "batch": Rule(
        ("catalog", "prompts", "schema", "config", "wiring"), "a run calls a handler; it doesn't know what is behind it"
    ),
    "answer": Rule((), "a value made of words"),
    "portal": Rule((), "one thin way onto a loop in a thread"),
    "schema": Rule((), "from types to schemas, and from a model's text to instances: over words alone, asking nobody"),
    "client": Rule(
        ("answer", "portal", "prompts", "schema", "config", "wiring", "batch", "stores", "packing"),
        "builds a call, awaits the handler, returns an answer; it may not mention a policy or a wire",
    ),
    "conversation": Rule(
        ("answer", "portal", "client", "config", "wiring", "tokens"),
        "what users build on an answer: it asks through a client, as they do",
    ),
    "testing": Rule((*INNER, *MIDDLE, "simulator"), "fakes and exams for those who write a part; never used by one"),
    "cli": Rule(
        (
            *(*INNER, *MIDDLE, "endpoint", "simulator", "config", "wiring", "batch", "schema", "answer", "portal"),
            *("client", "conversation"),
        ),
        "one file per verb; outermost, so nothing imports it",
    ),
    "__main__": Rule(("cli",), "`python -m penstock` is the command"),
}

APART: dict[str, tuple[str, ...]] = {
    # Inside these packages siblings don't know each other; the named modules are what they share.
    "wire": (
        *("answering", "bending", "blocks", "bodies", "calls", "codec", "counts", "dropping", "eventstream", "fault"),
        *("forming", "leftover", "limits", "marks", "opening", "pieces", "quotas", "refusals", "sending", "sse"),
        *("streaming", "waits"),
    ),
    "policies": (),
    "observers": (),
}

FOREIGN: dict[str, tuple[str, ...]] = {
    # Where a dependency may appear, so that it can be replaced in one place and is imported only when used.
    "wreq": ("transport",),
    "aiohttp": ("transport",),
    "click": ("cli",),
    "genai_prices": ("prices",),
    "rs_bpe": ("tokens",),
    "rich": ("cli", "batch"),
    "jsonschema": ("schema",),
    "jinja2": ("prompts",),
    "yaml": ("prompts",),
    "pyarrow": ("batch",),
    "sqlite3": ("batch", "conversation", "stores"),
    "redis": ("stores",),
    **dict.fromkeys(("numpy", "onnxruntime", "tokenizers", "usearch"), ("vectors",)),
    "pydantic": (),
    "httpx": (),
    "requests": (),
    "openai": (),
}

FORBIDDEN_MODULES = {"utils", "util", "helpers", "helper", "common", "misc", "types", "base", "manager"}
FORBIDDEN_CLASS = re.compile(r"(Manager|Helper|Service|Base|Utils?)$")

NOT_AT_IMPORT = (
    *("aiohttp", "asyncio", "click", "jinja2", "msgspec", "pyarrow", "rich", "sqlite3", "uvloop", "wreq"),
    *("dataclasses", "typing"),
)
NOT_WITH_THE_CLIENT = ("aiohttp", "click", "jinja2", "jsonschema", "pyarrow", "pydantic", "rich", "wreq")


@dataclass(frozen=True)
class Module:
    path: Path
    tree: ast.Module
    lines: int

    @property
    def where(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def parts(self) -> tuple[str, ...]:
        """("wire", "openai", "chat") for penstock.wire.openai.chat; () for the package itself and outside it."""
        if not self.path.is_relative_to(SOURCE):
            return ()
        parts = self.path.relative_to(SOURCE).with_suffix("").parts
        return parts[:-1] if parts[-1] == "__init__" else parts


@cache
def parsed(folder: str) -> tuple[Module, ...]:
    return tuple(
        Module(path, ast.parse(text), text.count("\n"))
        for path in sorted((ROOT / folder).rglob("*.py"))
        for text in [path.read_text(encoding="utf-8")]
    )


def source() -> tuple[Module, ...]:
    return parsed("src/penstock")


def everything() -> Iterator[Module]:
    for folder in ("src", "tests", "bench", "examples"):
        yield from parsed(folder)


def imported(module: Module) -> Iterator[str]:
    """Dotted names of everything the module imports, wherever it does: at its top, in a function, for typing only."""
    package = ("penstock", *module.parts)
    if module.path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*above, *filter(None, [node.module])))
            # `from penstock.batch import journal` names a module, `from penstock.call import Call` doesn't: both
            # start with what matters.
            yield from (f"{base}.{alias.name}" for alias in node.names)


def inside(module: Module) -> Iterator[tuple[str, ...]]:
    """What the module imports of penstock itself, as parts below the package."""
    for name in imported(module):
        first, *rest = name.split(".")
        if first == "penstock" and rest and not rest[0].startswith("__"):
            yield tuple(rest)


def test_every_part_has_a_row_in_the_table_and_every_row_a_part() -> None:
    units = {module.parts[0] for module in source() if module.parts}
    assert sorted(units ^ {*IMPORTS, *WORDS}) == []


def test_words_know_only_each_other() -> None:
    found = [
        f"{module.where} imports penstock.{parts[0]}"
        for module in source()
        if module.parts and module.parts[0] in WORDS
        for parts in inside(module)
        if parts[0] not in WORDS
    ]
    assert found == []


def test_imports_go_inward_only() -> None:
    found = [
        f"{module.where} imports penstock.{'.'.join(parts)}; {unit}: {IMPORTS[unit].why}"
        for module in source()
        if module.parts and (unit := module.parts[0]) in IMPORTS
        for parts in inside(module)
        if (parts[0] in IMPORTS or parts[0] in WORDS) and parts[0] not in (unit, *WORDS, *IMPORTS[unit].may)
    ]
    assert found == []


def test_siblings_never_import_siblings() -> None:
    found = [
        f"{module.where} imports {'.'.join(parts)}"
        for module in source()
        if len(module.parts) > 1 and module.parts[0] in APART
        for parts in inside(module)
        if parts[0] == module.parts[0] and len(parts) > 1
        if parts[1] != module.parts[1] and parts[1] not in APART[parts[0]]
    ]
    assert found == []


def test_a_dependency_appears_only_in_its_place() -> None:
    found = [
        f"{module.where} imports {name}"
        for module in source()
        for name in imported(module)
        if (first := name.split(".")[0]) in FOREIGN and (not module.parts or module.parts[0] not in FOREIGN[first])
    ]
    assert found == []


def test_nothing_is_mocked() -> None:
    mock = "unittest.mock"
    assert [module.where for module in everything() if any(name.startswith(mock) for name in imported(module))] == []


def test_files_stay_short() -> None:
    assert [f"{m.where}: {m.lines} lines" for m in everything() if m.lines > MAX_FILE_LINES] == []


def test_functions_stay_short() -> None:
    found = [
        f"{module.where}:{node.lineno} {node.name}: {length} lines"
        for module in everything()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (length := (node.end_lineno or node.lineno) - node.lineno + 1) > MAX_FUNCTION_LINES
    ]
    assert found == []


def test_names_say_the_noun() -> None:
    modules = [
        m.where for m in everything() if m.path.stem in FORBIDDEN_MODULES or m.path.parent.name in FORBIDDEN_MODULES
    ]
    classes = [
        f"{module.where}:{node.lineno} {node.name}"
        for module in source()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef) and FORBIDDEN_CLASS.search(node.name)
    ]
    assert modules + classes == []


def test_every_module_says_what_is_public() -> None:
    def declares(module: Module) -> bool:
        targets = [
            target
            for node in module.tree.body
            for target in (
                node.targets
                if isinstance(node, ast.Assign)
                else [node.target]
                if isinstance(node, ast.AnnAssign)
                else []
            )
        ]
        return any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets)

    assert [module.where for module in source() if module.tree.body and not declares(module)] == []


def _calls(module: Module) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def test_only_the_command_prints() -> None:
    # Writing to a stream that was handed in is no surprise to anyone; writing to stdout is.
    found = [
        f"{module.where}:{call.lineno}"
        for module in source()
        if module.parts[:1] != ("cli",)
        for name, call in _calls(module)
        if name == "print" and not any(word.arg == "file" for word in call.keywords)
    ]
    assert found == []


def test_no_test_sleeps() -> None:
    found = [
        f"{module.where}:{call.lineno}"
        for module in parsed("tests")
        for name, call in _calls(module)
        if name == "time.sleep"
    ]
    assert found == []


def test_nothing_is_left_unfinished() -> None:
    marks = re.compile("|".join(("TO" + "DO", "FIX" + "ME", "NotImplemented" + "Error")))
    found = [
        f"{module.where}:{number}"
        for module in source()
        for number, line in enumerate(module.path.read_text(encoding="utf-8").splitlines(), 1)
        if marks.search(line)
    ]
    assert found == []


def _tracked() -> list[Path]:
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
        names = [name for name in listed.decode().split("\0") if name]
    except (OSError, subprocess.CalledProcessError):  # an unpacked archive
        names = [str(module.path) for module in everything()]
    return [path for name in names if (path := ROOT / name).is_file()]


def test_no_file_names_a_machine_or_an_index() -> None:
    # Written in pieces, so that this file doesn't find itself.
    folders = "|".join(("work", "root", "home", "Users", "opt", "tmp"))
    hosts = "|".join(("py" + r"pi\.org", "python" + r"hosted\.org", "--(extra-)?index" + "-url", "--find" + "-links"))
    pattern = re.compile(rf"(?<![\w.:/<}}])/({folders})/\w|{hosts}".encode())
    allowed = re.compile(rb"--no-emit-index" + b"-url")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in _tracked()
        if path.suffix not in {".gz", ".png", ".parquet"}
        for number, line in enumerate(path.read_bytes().splitlines(), 1)
        if pattern.search(allowed.sub(b"", line))
    ]
    assert found == []


def _brought(statement: str) -> set[str]:
    """The top-level modules that `statement` loads in a fresh interpreter."""
    code = f"import sys; before = {{*sys.modules}}\n{statement}\nprint(*{{*sys.modules}} - before)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.split()
    return {name.partition(".")[0] for name in found}


def test_import_penstock_brings_nothing_heavy() -> None:
    assert _brought("import penstock") & set(NOT_AT_IMPORT) == set()


def test_the_client_brings_no_command_and_no_transport_before_it_is_used() -> None:
    assert _brought("import penstock; penstock.Client; penstock.AsyncClient") & set(NOT_WITH_THE_CLIENT) == set()


def test_the_command_starts_without_an_engine() -> None:
    assert _brought("import penstock.cli.main") & {"wreq", "aiohttp", "rich", "jinja2", "pyarrow", "sqlite3"} == set()
