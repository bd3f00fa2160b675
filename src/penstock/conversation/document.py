"""A conversation as a JSON file, and as what a store keeps."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Any, Final

import msgspec

from penstock.conversation.message import Message
from penstock.conversation.state import State, check_messages
from penstock.conversation.store import Kept
from penstock.errors import InputError

__all__ = ["head_of", "message_bytes", "read_document", "state_of", "write_document"]

FORMAT: Final = "penstock conversation"
VERSION: Final = 1
_MOST_BYTES: Final = 256 * 1024 * 1024


def write_document(path: Path, state: State) -> None:
    """Write the file, by rename: what was there stays whole until the new one is. Raises `OSError`."""
    plain = {"format": FORMAT, "version": VERSION, **msgspec.to_builtins(state)}
    text = msgspec.json.format(msgspec.json.encode(plain), indent=1)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            file.write(text + b"\n")
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise type(error)(error.errno, error.strerror, str(path)) from error
        raise


def read_document(path: Path) -> State:
    """The conversation in the file. Raises `InputError` that names the file and says what it is instead."""
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(raw) > _MOST_BYTES:
        raise InputError(f"{path}: larger than {_MOST_BYTES // 1024 // 1024} MiB")
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: no conversation: the JSON is broken ({error})") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise InputError(f'{path}: no conversation of penstock\'s: expected an object with "format": "{FORMAT}"')
    version = found.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version > VERSION:
        raise InputError(
            f"{path}: written by a newer penstock (version {version!r:.40} of conversations, this one reads up to "
            f"{VERSION}); upgrade penstock"
        )
    return _checked({key: value for key, value in found.items() if key not in ("format", "version")}, str(path))


def head_of(state: State) -> bytes:
    """Everything but the messages."""
    plain: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(state, messages=()))
    del plain["messages"]
    return msgspec.json.encode(plain)


def message_bytes(message: Message) -> bytes:
    """One message."""
    return msgspec.json.encode(message)


def state_of(kept: Kept, name: str) -> State:
    """What a store keeps under `name`. Raises `InputError` when that is none."""
    try:
        plain = msgspec.json.decode(kept.head)
        messages = [msgspec.json.decode(message) for message in kept.messages]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f'the stored conversation "{name}" is broken: {error}') from None
    if not isinstance(plain, dict):
        raise InputError(f'the stored conversation "{name}" is broken: its head is no object')
    return _checked({**plain, "messages": messages}, f'the stored conversation "{name}"')


def _checked(plain: dict[str, Any], what: str) -> State:
    try:
        state = msgspec.convert(plain, State)
        check_messages(state.messages)
    except (msgspec.ValidationError, InputError) as error:
        raise InputError(f"{what}: {error}") from None
    if state.summary is not None and not 0 < state.summary.covers <= len(state.messages):
        raise InputError(f"{what}: its summary covers {state.summary.covers} of {len(state.messages)} messages")
    return state
