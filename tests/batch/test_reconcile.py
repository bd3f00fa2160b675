from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.batch.given import record, write

from penstock.batch.journal import Journal
from penstock.batch.schema import ANSWERED, BAD, FAILED
from penstock.errors import JournalError


def ids(journal: Journal) -> list[tuple[int, str]]:
    return [(item.idx, item.custom_id) for item in journal.items()]


def test_answers_move_to_where_the_input_has_them_now(journal: Journal) -> None:
    write(journal, record(0, "a"), record(1, "b"))
    result = journal.reconcile(iter([(0, "b", b"d"), (1, "new", b"d"), (2, "a", b"d")]), failed_may_change=False)
    assert ids(journal) == [(0, "b"), (2, "a")]
    assert (result.known, result.new, result.gone) == (2, 1, 0)


def test_removed_ids_leave_and_come_back_with_their_answers(journal: Journal) -> None:
    write(journal, record(0, "a"), record(1, "b"))
    assert journal.reconcile(iter([(0, "b", b"d")]), failed_may_change=False).gone == 1
    assert ids(journal) == [(0, "b")]
    journal.reconcile(iter([(0, "b", b"d"), (1, "a", b"d")]), failed_may_change=False)
    assert [(item.custom_id, item.raw) for item in journal.items()] == [("b", b'{"answer":1}'), ("a", b'{"answer":1}')]


def test_known_ids_with_other_bodies_are_refused_and_nothing_moves(journal: Journal) -> None:
    write(journal, *(record(n, f"id-{n}") for n in range(5)))
    with pytest.raises(JournalError, match=r"'id-0', 'id-1', 'id-2', \.\.\."):
        journal.reconcile(((n, f"id-{n}", b"other") for n in range(5)), failed_may_change=False)
    assert ids(journal) == [(n, f"id-{n}") for n in range(5)]


def test_a_removed_id_with_another_body_is_refused_too(journal: Journal) -> None:
    write(journal, record(0, "a"))
    journal.reconcile(iter([(0, "b", b"d")]), failed_may_change=False)
    with pytest.raises(JournalError, match="'a'"):
        journal.reconcile(iter([(0, "a", b"other")]), failed_may_change=False)


def test_failed_ones_may_change_when_they_are_asked_again(journal: Journal) -> None:
    write(journal, record(0, "a", state=FAILED))
    with pytest.raises(JournalError):
        journal.reconcile(iter([(0, "a", b"other")]), failed_may_change=False)
    journal.reconcile(iter([(0, "a", b"other")]), failed_may_change=True)
    assert ids(journal) == []


def test_bad_lines_are_forgotten(journal: Journal) -> None:
    write(journal, record(0, "line-1", state=BAD), record(1, "b"))
    journal.reconcile(iter([(0, "line-1", b"now good"), (1, "b", b"d")]), failed_may_change=False)
    assert ids(journal) == [(1, "b")]


@pytest.mark.parametrize(
    ("before", "now", "old_id", "new_id"), [(1, 3, "a", "a#1"), (3, 1, "a#1", "a"), (2, 5, "a#2", "a#2")]
)
def test_a_lone_answer_is_the_first_sample(journal: Journal, before: int, now: int, old_id: str, new_id: str) -> None:
    write(journal, record(0, old_id))
    journal.reconcile(iter([(4, new_id, b"d")]), failed_may_change=False, samples_before=before, samples=now)
    assert ids(journal) == [(4, new_id)]


@settings(max_examples=25)
@given(st.lists(st.permutations(list("abcdef")).flatmap(lambda p: st.integers(0, 6).map(lambda n: p[:n])), max_size=4))
def test_no_answer_is_ever_lost_by_any_change_of_the_input(
    tmp_path_factory: pytest.TempPathFactory, inputs: list[list[str]]
) -> None:
    with Journal(tmp_path_factory.mktemp("j") / "j.penstock") as journal:
        journal.begin_session()
        write(journal, *(record(n, name) for n, name in enumerate("abcdef")))
        for names in inputs:
            journal.reconcile(((n, name, b"d") for n, name in enumerate(names)), failed_may_change=False)
            assert ids(journal) == list(enumerate(names))
        everything = [(n, name, b"d") for n, name in enumerate("abcdef")]
        journal.reconcile(iter(everything), failed_may_change=False)
        assert journal.counts() == {ANSWERED: 6}
