"""Answers in a form: schemas from types, validation, what is known of one that still comes, and tools from functions.

Pure: nothing here asks anybody.
"""

from penstock.schema.form import Form, Growing, form_of, read_schema_file
from penstock.schema.partial import Partial
from penstock.schema.reading import Misfit, json_in
from penstock.schema.tools import Tool, tool_of, written

__all__ = [
    "Form",
    "Growing",
    "Misfit",
    "Partial",
    "Tool",
    "form_of",
    "json_in",
    "read_schema_file",
    "tool_of",
    "written",
]
