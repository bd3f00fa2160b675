"""Guards: layers over a route that look at prompts and answers. They see the envelope and the neutral body only.

From the caller inwards: `checking.Checked` (answers, by callables), `screening.Screen` (injections),
`redacting.Redact` (secrets and people's data), and behind them everything that keeps or costs something. The layers
are imported where one is used: here is what settings are made of.
"""

from penstock.guards.delimiting import untrusted
from penstock.guards.settings import GROUPS, KINDS, Check, Guards, Redaction, Screening

__all__ = ["GROUPS", "KINDS", "Check", "Guards", "Redaction", "Screening", "untrusted"]
