"""Many ways to ask one thing, brought to one of them: patterns over English text in small letters. Data."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["REWRITES"]

_ASKED: Final = "explain|tell|give|show|write|list|name|describe|help|recommend|suggest"
_AMOUNT: Final = r"\d[\d.,]* (?:degrees? )?(?:us )?[a-z°]+"
_FINE: Final = "(?:possible|ok|okay|fine|allowed|permitted|alright)"
_HOW: Final = r"(?:best|proper|right|correct|recommended|easiest|usual)"
_I: Final = r"(?:i|you|we|one|someone|people)"

REWRITES: Final = tuple(
    (re.compile(pattern), by)
    for pattern, by in (
        # Short forms.
        (r"[’`]", "'"),
        (r"\bcan't\b|\bcannot\b", "can not"),
        (r"\bwon't\b", "will not"),
        (r"n't\b", " not"),
        (r"\b(what|who|where|when|why|how|that|it|there)'s\b", r"\1 is"),
        (r"'(?:m|re)\b", " are"),
        (r"'(?:d|ll)\b", " would"),
        (r"'ve\b", " have"),
        # What is said around a question.
        (
            rf"\b(?:can|could|would|will) you (?:please )?(?={_ASKED})",
            "",
        ),
        (r"\bi (?:want|need|would like|would love) to (?:know|hear)\b", ""),
        (r"\bi would like (?=an? )", ""),
        (r"\bi (?:want|need|would like) to ([^.,;?]+)[.,;]+ *how (?:do|can) i do (?:that|this|it)\b", r"how do i \1"),
        (r"[,.] *how (?:do|can) i do (?:that|this|it)\b", " how"),
        (r"\b(?:please )?(?:tell|give|show) me(?: the answer to)?\b", ""),
        (r"^(?:please )?(?:name|list|explain|describe|define)\b", ""),
        (r"\bexplain (?=what|how|why)", ""),
        (r"\bfor me\b", ""),
        (r"\bplease\b|\bkindly\b", ""),
        (r"\bwould you say\b", "is"),
        (r"\bgo about (\w+)ing\b", r"\1"),
        # Ways to ask how.
        (rf"\bwhat (?:is|are) (?:the |a |some )?(?:{_HOW} )?ways? (?:to|of|for)\b", "how do i"),
        (rf"\bwhat do i (?:have|need) to do to\b|\bwhat (?:can|should|must|could) {_I} do to\b", "how do i"),
        (rf"\bhow (?:can|do|does|should|could|would|might|to) (?:{_I} )?(?:go about )?", "how "),
        (rf"\bwhat (?:can|should|could|must) {_I} do\b", "what do i do"),
        (r"\bin what way (?:do|does|can)?\b", "how "),
        (r"\bhow is (\w+ \w+) calculated\b", r"how calculate \1"),
        # Ways to ask whether one may.
        (
            rf"\b(?:is it|would it be) (?:possible|ok|okay|fine|allowed|permitted|alright)(?: for {_I})? (?:to|for)\b",
            "can",
        ),
        (rf"\b(?:am|are|is) {_I} (?:allowed|permitted|able) to\b", "can i"),
        (rf"\b(?:do|does|did) {_I} (?:have|need) to\b", "must i"),
        (r"\bunable to\b", "not can"),
        (r"\bis it good to\b", "should i"),
        # When, how long, how many, how much, why, by whom.
        (r"\b(?:in |on |at )?(?:what|which) (?:year|date|time|day)(?: and time)?\b(?! zone| complexity)", "when"),
        (r"\b(?:for )?how long(?= |$)|\bhow much time\b", "howlong"),
        (r"\bhow many\b|\bwhat (?:is )?the number of\b|\bwhat number of\b", "howmany"),
        (r"\bhow much\b|\bwhat (?:is )?(?:the )?amount of\b", "howmuch"),
        (r"\bwhat (?:is )?the reason(?: that| why| for)?\b", "why"),
        (r"\bwhat makes\b", "why is"),
        (r"\bby whom\b", "who"),
        # Measures.
        (r"\bhow (?:tall|high) (?:is|are)\b", "height of"),
        (r"\bhow old (?:is|are)\b", "age of"),
        (r"\bwhat age (?:is|are)\b", "age of"),
        (r"\bhow far(?: away)? (?:is|are) (.+?) from (.+)", r"distance from \2 to \1"),
        # Conversions, meanings, differences, translations.
        (
            rf"\bhow(?:many|much) (?:is |are )?((?:[a-z]+ )?[a-z]+) (?:are|is|in|make) ({_AMOUNT})",
            r"convert \2 to \1",
        ),
        (r"\b(?:what|howmuch) (?:is|are) (\d[\d.,]* ?(?:degrees? )?(?:us )?[a-z°]+) in ([a-z]+)", r"convert \1 to \2"),
        (r"\b(?:convert|turn) (\d[\d.,]* ?[^?]*?) (?:to|into) ", r"convert \1 to "),
        (r"\b(?:what is|calculate|compute|howmuch is) (\d[\d.]*) ?(?:%|percent) of (\d)", r"\1 percent of \2"),
        (r"\b(?:calculate|compute) the (square|cube) root\b", r"\1 root"),
        (r"\bwhat does ([^?]+?) mean\b", r"meaning of \1"),
        (r"\bhow(?: do| does)? ([^?]+?) (?:differ|different) from ([^?]+)", r"difference between \1 and \2"),
        (r"\bhow(?: do| does)? ([^?]+?) differ\b", r"difference between \1"),
        (r"\bhow say (\S+) in ([a-z]+)", r"translate \1 to \2"),
        # Verbs of two words.
        (r"\b(?:turn|switch)(?:ed|ing)? on\b", "enable"),
        (r"\b(?:turn|switch)(?:ed|ing)? off\b", "disable"),
        (r"\b(?:log|sign)(?:ged|ging|ning|ned)? ?in\b", "login"),
        (r"\b(?:log|sign)(?:ged|ging|ning|ned)? ?out\b", "logout"),
        (r"\bget(?:ting)? rid of\b", "remove"),
        (r"\bless expensive\b", "cheaper"),
        (r"\bmore powerful\b", "stronger"),
        (r"\b(?:made|make) up of\b", "of"),
        (r"\bchief executive(?: officer)?\b", "ceo"),
        (r"\bsci-fi\b", "science fiction"),
        (r"\bwi-fi\b", "wifi"),
        (r"\bcapital city\b", "capital"),
        (r"\bfree of charge\b", "free"),
        (r"\b(?:is|are) ((?:[\w]+ ){0,3}?)going to\b", r"will \1"),
        (r"\bthe current\b", "the"),
        (r"\bused for\b", "for"),
        (r"° ?c\b", " degrees celsius"),
        (r"° ?f\b", " degrees fahrenheit"),
        (r"\bwhen is (?=the (?:best|worst|right|cheapest|earliest|latest) time\b)", "what is "),
        (r"^if ([^,?]+), ([^?]+)", r"\2 if \1"),
        (r"\bhave to\b|\bhas to\b", "must"),
        (r"\b(?:does|do) ([^?]+?) count as\b", r"is \1"),
        (r"\bconsidered (?=an? )", ""),
    )
)
"""One after the other, on text in small letters."""
