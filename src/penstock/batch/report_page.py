"""The report's frame: one document with its style inside."""

from __future__ import annotations

from html import escape

__all__ = ["page"]


def page(title: str, body: str) -> str:
    """A whole document. `body` is HTML; the policy in the head forbids it to load or run anything."""
    return (
        "<!doctype html>\n"
        '<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><main>{body}</main><footer>penstock</footer></body></html>\n"
    )


_STYLE = """
:root {
  --paper: #f6f7f9; --card: #fff; --ink: #16202b; --soft: #5d6b7a; --line: #e1e6ec;
  --good: #2a7de1; --bad: #d4483b; --part: #e0a100; --kept: #8a63d2; --left: #ccd4dd; --mark: #16202b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #0e1319; --card: #171e27; --ink: #e6ecf2; --soft: #93a1b1; --line: #28323e;
    --good: #4b9bff; --bad: #ff6b5e; --part: #f0b429; --kept: #a98bea; --left: #3a4653; --mark: #e6ecf2;
  }
}
* { box-sizing: border-box }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif;
  font-variant-numeric: tabular-nums;
}
main { max-width: 960px; margin: 0 auto; padding: 28px 20px 8px }
h1 { font-size: 24px; line-height: 1.25; margin: 0; overflow-wrap: anywhere }
h2 { font-size: 16px; margin: 0 0 12px }
h3 { font-size: 13px; font-weight: 500; margin: 0; color: var(--soft) }
.state { color: var(--soft); margin: 6px 0 20px }
.state span {
  color: #fff; background: var(--soft); border-radius: 99px; padding: 2px 10px; margin-right: 6px; font-size: 13px;
}
.state.finished span { background: #23834b } .state.running span { background: #2a7de1 }
.state.stopped span { background: #a86a00 } .state.interrupted span { background: #c23b2e }
.cards { display: grid; gap: 12px; grid-template-columns: repeat(auto-fit, minmax(118px, 1fr)) }
.card, section { background: var(--card); border: 1px solid var(--line); border-radius: 12px }
.card { padding: 12px 10px; min-width: 0 }
.card b { display: block; font-size: 19px; line-height: 1.25; font-weight: 650; letter-spacing: -.01em }
.card.good b { color: var(--good) } .card.bad b { color: var(--bad) }
.card p { margin: 2px 0 0; color: var(--soft); font-size: 13px }
section { padding: 18px 20px; margin: 16px 0 }
.share { display: block; width: 100%; height: 10px; margin: 18px 0 8px; border-radius: 5px }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 0; padding: 0; color: var(--soft) }
.legend { font-size: 13px } .legend b { color: var(--ink) }
.legend i { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 6px }
.legend i.good { background: var(--good) } .legend i.bad { background: var(--bad) }
.legend i.part { background: var(--part) } .legend i.kept { background: var(--kept) }
.legend i.left { background: var(--left) }
svg { display: block; width: 100%; height: auto }
svg text { font-size: 12px; fill: var(--soft) }
svg .good { fill: var(--good) } svg .bad { fill: var(--bad) } svg .part { fill: var(--part) }
svg .kept { fill: var(--kept) } svg .left { fill: var(--left) }
svg g:hover rect { opacity: .7 }
svg .grid { stroke: var(--line) } svg .cut { stroke: var(--soft); stroke-dasharray: 3 3 }
svg line.mark { stroke: var(--mark); stroke-width: 1; opacity: .55 }
svg text.mark { fill: var(--mark); font-weight: 600; paint-order: stroke;
  stroke: var(--card); stroke-width: 4px; stroke-linejoin: round }
.narrow { display: none }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-size: 14px }
th, td { text-align: right; padding: 7px 0 7px 18px; border-bottom: 1px solid var(--line); vertical-align: top }
th { color: var(--soft); font-weight: 500; font-size: 13px; white-space: nowrap }
th:first-child, td:first-child { text-align: left; padding-left: 0 }
tbody tr:last-child td { border-bottom: 0; padding-bottom: 0 }
td:first-child { min-width: 9em; overflow-wrap: anywhere } .figures td + td { white-space: nowrap }
.words th, .words td { text-align: left; overflow-wrap: anywhere }
code { font: 13px/1.45 ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; overflow-wrap: anywhere }
.note, small { color: var(--soft); font-size: 13px } .note { margin: 10px 0 0 }
details + details { border-top: 1px solid var(--line); margin-top: 10px; padding-top: 10px }
summary { cursor: pointer } summary b { font-weight: 600; margin-right: 4px }
.examples { list-style: none; margin: 8px 0 0; padding: 0 }
.examples li { border-left: 3px solid var(--bad); padding: 2px 0 2px 12px; margin: 10px 0 }
.examples p { margin: 2px 0 0; overflow-wrap: anywhere }
footer { max-width: 960px; margin: 0 auto; padding: 4px 20px 28px; color: var(--soft); font-size: 13px }
@media (max-width: 560px) {
  main { padding: 18px 12px 4px } section { padding: 14px } .cards { grid-template-columns: 1fr 1fr; gap: 8px }
  .card { padding: 10px 12px } .card b { font-size: 22px } .wide { display: none } .narrow { display: block }
  th, td { padding-left: 12px }
}
@media print { body { background: #fff } section { break-inside: avoid } }
"""
