"""Prompts as values: templates with variables, in versions, in files of their own.

>>> Prompt("Translate to {{ language }}: {{ text }}", name="translate").render(language="German", text="moon").text
'Translate to German: moon'
"""

from penstock.call import PromptVersion
from penstock.prompts.file import read_prompt, read_prompt_file
from penstock.prompts.library import PromptLibrary
from penstock.prompts.prompt import Prompt, Rendered
from penstock.prompts.rules import Rules, read_rules
from penstock.prompts.split import Split
from penstock.prompts.template import NoTemplate, Rule, Template, TemplateFailed
from penstock.prompts.versions import LATEST, Version, newest

__all__ = [
    "LATEST",
    "NoTemplate",
    "Prompt",
    "PromptLibrary",
    "PromptVersion",
    "Rendered",
    "Rule",
    "Rules",
    "Split",
    "Template",
    "TemplateFailed",
    "Version",
    "newest",
    "read_prompt",
    "read_prompt_file",
    "read_rules",
]
