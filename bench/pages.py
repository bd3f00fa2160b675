"""The tables where readers see them: between two marks in README.md, docs/benchmarks.md or docs/guards.md."""

from __future__ import annotations

from collections.abc import Mapping

from bench.machine import ROOT

__all__ = ["into_pages"]

PAGES = (
    ROOT / "README.md",
    ROOT / "docs" / "benchmarks.md",
    ROOT / "docs" / "guards.md",
    ROOT / "docs" / "semantic-cache.md",
)


def into_pages(parts: Mapping[str, str]) -> None:
    """Each part between its marks, `<!-- bench NAME -->` and `<!-- /bench NAME -->`, wherever a page has them."""
    for page in PAGES:
        if not page.exists():
            continue
        text = page.read_text(encoding="utf-8")
        for name, part in parts.items():
            before, start, rest = text.partition(f"<!-- bench {name} -->\n")
            _, end, after = rest.partition(f"<!-- /bench {name} -->")
            if start and end:
                text = f"{before}{start}\n{part}\n\n{end}{after}"
        page.write_text(text, encoding="utf-8")
