"""What the pages on structured output and tools show works as it stands, and says the defaults."""

import re
from pathlib import Path

import pytest

from penstock.client.forms import DEFAULT_REASKS
from penstock.client.tool_loop import Bounds

DOCS = Path(__file__).parent.parent.parent / "docs"


@pytest.mark.parametrize(("page", "begins"), [("structured-output.md", "1.0\n"), ("tools.md", "sim:")])
def test_the_python_of_the_page_runs_from_top_to_bottom(page, begins, capfd):
    names = {"__name__": "page"}
    for code in re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(code, page, "exec"), names)
    names["client"].close()
    assert capfd.readouterr().out.startswith(begins)


def test_the_pages_say_the_defaults():
    assert f"| `max_steps` | {Bounds().max_steps} |" in (DOCS / "tools.md").read_text(encoding="utf-8")
    assert DEFAULT_REASKS == 2
    assert "\ntwice at most (`reasks=`" in (DOCS / "structured-output.md").read_text(encoding="utf-8")
