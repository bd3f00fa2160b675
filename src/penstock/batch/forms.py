"""The form that `--schema` asks of every chat's answer."""

from __future__ import annotations

import msgspec

from penstock.call import Call, Reply
from penstock.handler import Handler
from penstock.schema import Form

__all__ = ["in_form"]


def in_form(handler: Handler, form: Form | None, *, reasks: int) -> Handler:
    """The handler for calls whose answers must have the form. What is no chat has none."""
    if form is None:
        return handler

    async def handle(call: Call) -> Reply:
        if call.kind != "chat":
            return await handler(call)
        return await handler(msgspec.structs.replace(call, expected=form, reasks=reasks))

    return handle
