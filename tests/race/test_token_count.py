from __future__ import annotations

from functools import reduce
from operator import add

from hypothesis import given
from hypothesis import strategies as st

from penstock.call import Usage
from penstock.race.stats import TokenCount

COUNTS = st.lists(st.integers(0, 9) | st.just(0), min_size=9, max_size=9)


@given(st.lists(COUNTS, max_size=200))
def test_every_part_is_summed(counts: list[list[int]]) -> None:
    usages = [Usage(*one[:8], min(one[6], one[8])) for one in counts]  # cached sound was heard
    tokens = TokenCount()
    for usage in usages:
        tokens.add(usage)
    assert tokens.usage == reduce(add, usages, Usage())
