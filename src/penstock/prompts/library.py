"""A folder of prompts, each file one version: found by name and version, divided among users, read again."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from penstock.errors import InputError
from penstock.prompts.file import read_prompt_file
from penstock.prompts.prompt import Clock, Prompt
from penstock.prompts.split import Split
from penstock.prompts.template import Rule
from penstock.prompts.versions import LATEST, Version, newest

__all__ = ["PromptLibrary"]

_log = logging.getLogger("penstock.prompts")

_MOST_FILES = 10_000
_SHOWN = 5
_Stamp = tuple[int, int, int]
"""A file's time, size and number: another one was put there, or it was written."""


class _File(msgspec.Struct):
    stamp: _Stamp
    prompt: Prompt | None = None
    """The last good one."""
    problem: str | None = None


class PromptLibrary:
    """The prompts of a folder and of those in it: every `.md` but a README is one version of one prompt.

    A change is seen at the next use. A file that becomes bad keeps its last good version, which is logged once (logger
    `penstock.prompts`) and stands in `problems` until it is good again. `rules` and `clock` are those of `Prompt`;
    `reload=False` reads the folder once. Threads may share it. Raises `InputError` for bad files, naming file, line
    and field.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        rules: Mapping[str, Rule] | None = None,
        clock: Clock | None = None,
        reload: bool = True,
    ) -> None:
        if not isinstance(folder, str | os.PathLike):
            raise InputError(f"expected the path of a folder of prompts, got {folder!r:.80}")
        self.folder = Path(folder)
        if not self.folder.is_dir():
            what = "expected a folder of prompts, got a file" if self.folder.exists() else "no such folder of prompts"
            raise InputError(f"{self.folder}: {what}")
        self._rules = rules
        self._clock = clock
        self._reload = reload
        self._is_open = False
        self._lock = threading.Lock()
        self._files: dict[str, _File] = {}
        self._prompts: dict[str, dict[Version, Prompt]] = {}
        self._read()
        if problems := self.problems:
            more = f"\n... and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
            raise InputError("\n".join(list(problems.values())[:_SHOWN]) + more)
        self._is_open = True

    @property
    def problems(self) -> dict[str, str]:
        """What is wrong with files that are bad now, by their path."""
        return {path: file.problem for path, file in self._files.items() if file.problem is not None}

    def names(self) -> list[str]:
        """The prompts' names, in alphabetical order."""
        return sorted(self._current())

    def versions(self, name: str) -> list[Prompt]:
        """Every version of a prompt, the oldest first. Raises `InputError` for an unknown name."""
        return [prompt for _, prompt in sorted(self._versions(name).items())]

    def get(self, name: str, version: str = LATEST) -> Prompt:
        """A prompt: the `latest` version, an exact one ("1.2.0"), or the newest of a range ("1", "^1.2", ">=1, <3").

        A pre-release is the latest only where there is nothing else. Raises `InputError` that names what there is.
        """
        versions = self._versions(name)
        found = newest(versions, version)
        if found is None:
            known = ", ".join(str(one) for one in sorted(versions))
            raise InputError(f'{self.folder}: no version "{version}" of "{name}"; there is: {known}')
        return versions[found]

    def for_user(self, name: str, user: str, *, weights: Mapping[str, float] | None = None) -> Prompt:
        """The version that this user sees, always the same one while weights are.

        `weights` are shares by version (or range), such as `{"1.0.0": 90, "1.1.0": 10}`; without them, those in the
        files. Changing one moves as few users as can be. Raises `InputError`.
        """
        if weights is not None:
            return self.get(name, Split(weights, salt=name).arm(user))
        versions = self._versions(name)
        weighed = {_arm(version): prompt for version, prompt in versions.items() if prompt.weight is not None}
        if not weighed:
            raise InputError(f'{self.folder}: no version of "{name}" has a weight; give weights={{"1.0.0": 50, ...}}')
        return weighed[Split({arm: prompt.weight or 0.0 for arm, prompt in weighed.items()}, salt=name).arm(user)]

    def __contains__(self, name: object) -> bool:
        return name in self._current()

    def __iter__(self) -> Iterator[Prompt]:
        """Every version of every prompt, by name and age."""
        for _, versions in sorted(self._current().items()):
            yield from (prompt for _, prompt in sorted(versions.items()))

    def __repr__(self) -> str:
        return f"PromptLibrary({str(self.folder)!r})"

    # Reading.

    def _versions(self, name: str) -> dict[Version, Prompt]:
        prompts = self._current()
        if name not in prompts:
            known = ", ".join(f'"{one}"' for one in sorted(prompts)[:20]) or "none"
            raise InputError(f'{self.folder}: no prompt "{name}"; there is: {known}')
        return prompts[name]

    def _current(self) -> dict[str, dict[Version, Prompt]]:
        if self._reload:
            self._read()
        return self._prompts

    def _read(self) -> None:
        """Read what has changed; nothing is replaced before everything was looked at."""
        with self._lock:
            try:
                found = dict(_markdown(str(self.folder)))
            except OSError as error:
                if not self._is_open:
                    raise InputError(f"{self.folder}: can't be read: {error.strerror or error}") from error
                return  # a folder that is gone for a moment: what is known stays
            known = self._files
            if found.keys() == known.keys() and all(known[path].stamp == stamp for path, stamp in found.items()):
                return
            files: dict[str, _File] = {}
            for path, stamp in sorted(found.items()):
                file = known.get(path)
                files[path] = file if file is not None and file.stamp == stamp else self._again(path, stamp, file)
            self._prompts = _sorted_out(files, known, is_open=self._is_open)
            self._files = files

    def _again(self, path: str, stamp: _Stamp, before: _File | None) -> _File:
        """The file as it is now; a bad one keeps what was good."""
        within = Path(path).relative_to(self.folder).with_suffix("")
        name = str(within).replace(os.sep, "/").partition("@")[0]
        try:
            prompt = read_prompt_file(Path(path), name=name, rules=self._rules, clock=self._clock)
        except InputError as error:
            kept = before.prompt if before is not None else None
            if kept is not None:
                _log.warning("%s; %s is used as it was before", error, kept)
            elif self._is_open:
                _log.warning("%s", error)
            return _File(stamp, kept, str(error))
        return _File(stamp, prompt)


def _arm(version: Version) -> str:
    """A version's one name, however it is written: users stay where they are when `1.2` becomes `1.2.0`."""
    pre = "-" + ".".join(word or str(number) for _, number, word in version.pre) if version.pre else ""
    return ".".join(map(str, version.numbers)) + pre


def _markdown(folder: str) -> Iterator[tuple[str, _Stamp]]:
    """Every prompt's file with what tells a change. Raises `OSError`, `InputError`."""
    count = 0
    left = [folder]
    while left:
        with os.scandir(left.pop()) as entries:
            for entry in entries:
                name = entry.name
                if name.startswith("."):
                    continue
                if entry.is_dir():
                    # A link could lead in a circle.
                    if not entry.is_symlink():
                        left.append(entry.path)
                    continue
                if not name.lower().endswith(".md") or name.lower() == "readme.md":
                    continue
                count += 1
                if count > _MOST_FILES:
                    raise InputError(f"{folder}: more than {_MOST_FILES} files")
                try:
                    told = entry.stat()
                except OSError:  # gone since it was listed, or a link to nothing
                    continue
                yield entry.path, (told.st_mtime_ns, told.st_size, told.st_ino)


def _sorted_out(
    files: dict[str, _File], before: Mapping[str, _File], *, is_open: bool
) -> dict[str, dict[Version, Prompt]]:
    """The prompts by name and version; of two files with the same one the earlier known counts, the other is bad."""
    prompts: dict[str, dict[Version, Prompt]] = {}
    places: dict[tuple[str, Version], str] = {}
    for path, file in sorted(files.items(), key=lambda item: (item[0] not in before, item[0])):
        if file.prompt is None:
            continue
        version = Version(file.prompt.version)
        first = places.setdefault((file.prompt.name, version), path)
        if first != path:
            problem = f"{path}: version: {file.prompt} is in {first} too"
            if is_open and file.problem != problem:
                _log.warning("%s", problem)
            file.problem = problem
            continue
        if file.problem is not None and file.problem.startswith(f"{path}: version: "):
            file.problem = None  # the other one is gone
        prompts.setdefault(file.prompt.name, {})[version] = file.prompt
    return prompts
