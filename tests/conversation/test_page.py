"""What the page shows works as it stands."""

import re
from pathlib import Path

PAGE = Path(__file__).parent.parent.parent / "docs" / "conversations.md"


def test_the_python_of_the_page_runs_from_top_to_bottom(capfd):
    names = {"__name__": "page"}
    for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(code, "docs/conversations.md", "exec"), names)
    names["client"].close()
    told = capfd.readouterr().out
    assert told.startswith("sim:")
    assert re.search(r"\d+ of 400 tokens, \d+ messages, 0 left out", told)
    assert Path("numbers.json").exists()
    assert [name for name, _, _ in names["kept"]._keeper.store.names()] == ["numbers", "moon, and the sun", "moon"]
