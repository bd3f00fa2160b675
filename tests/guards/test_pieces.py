"""A text in pieces comes out as the same text in one, whatever the pieces; and little is held back."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.guards.given import CARD, EMAIL, KEY, a_call, answering, asked, streamed

from penstock.guards import KINDS, Redaction
from penstock.guards.kinds import find
from penstock.guards.masking import MOST_HELD, Masking
from penstock.guards.redacting import Redact
from penstock.guards.vault import HELD, Restoring, Vault, masked

PEM = "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEow" * 20 + "\n-----END RSA PRIVATE KEY-----"
JWT = "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxIn0" + ".c2lnbmF0dXJlMTIz"
WORDS = st.sampled_from(
    [
        *(
            " ",
            "\n",
            "word",
            "The ",
            "12",
            "a.b",
            "[",
            "]",
            "[EMAIL",
            "\\",
            "(see ",
            ", ",
            "-----BEGIN ",
            "https://x.y/ ",
        ),
        *(EMAIL, CARD, KEY, PEM, JWT, "+49 170 1234567", "10.1.2.3", "123-45-6789", "GB82 WEST 1234 5698 7654 32"),
        *("password: hunter2x9", "Tel. 030/1234567", "postgres://u:s3cr3t99@h/x"),
    ]
)
TEXTS = st.lists(WORDS, max_size=12).map(" ".join)


def in_pieces(text: str, cuts: list[int]) -> list[str]:
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[start:end] for start, end in pairwise(places)]


@settings(max_examples=400, deadline=None)
@given(TEXTS, st.lists(st.integers(0, 2000), max_size=40))
def test_masking_a_text_in_pieces_leaves_no_value_that_masking_it_whole_takes(text: str, cuts: list[int]) -> None:
    masking = Masking(KINDS)
    out = "".join(map(masking.feed, in_pieces(text, cuts))) + masking.end()
    assert out == masked(text, find(text, KINDS))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(["[EMAIL_1]", "[CARD_1]", "\\[EMAIL\\_1\\]", "[", "x", " ", "\\", "[EM", "a]"]), max_size=12
    )
)
def test_restoring_in_single_characters_is_restoring_the_whole(words: list[str]) -> None:
    text = "".join(words)
    vault = Vault(KINDS)
    vault.hide(f"{EMAIL} {CARD}", find(f"{EMAIL} {CARD}", KINDS))
    restoring = Restoring(vault)
    assert "".join(map(restoring.feed, text)) + restoring.end() == vault.restore(text)


def test_no_more_than_a_placeholder_is_held_back() -> None:
    vault = Vault(KINDS)
    vault.hide(EMAIL, find(EMAIL, KINDS))
    restoring = Restoring(vault)
    out = 0
    for number, char in enumerate("some text [EMAIL and [[[ more \\[ of it " * 20, 1):
        out += len(restoring.feed(char))
        assert number - out < HELD


def test_no_more_than_a_word_of_plain_text_is_held_back() -> None:
    masking = Masking(KINDS)
    text = "The moon is big and round and far away, they say. " * 20
    out = 0
    for number, char in enumerate(text, 1):
        out += len(masking.feed(char))
        assert number - out <= 6


def test_a_key_without_an_end_is_held_back_to_the_bound_and_never_shown() -> None:
    masking = Masking(KINDS)
    held = out = 0
    shown = ""
    for _ in range(400):
        piece = "QUJDREVGR0hJSktMTU5P" + "a1"
        held += len(piece)
        shown += masking.feed(piece if held > len(piece) else "-----BEGIN PRIVATE KEY-----\n" + piece)
        out = len(shown)
        assert held - out < MOST_HELD + 64 or "[PRIVATE_KEY]" in shown
    shown += masking.feed("\n-----END PRIVATE KEY----- and then") + masking.end()
    assert "QUJD" not in shown
    assert shown.endswith("[PRIVATE_KEY] and then")


def test_a_streamed_placeholder_is_restored_however_it_is_split() -> None:
    text = "Dear [EMAIL_1], your card [CARD_1] is fine [1]."
    for cut in range(1, len(text)):
        inner = answering(streamed([text[:cut], text[cut:]]))
        answer, _ = asked(Redact(Redaction(KINDS))(inner), a_call(f"{EMAIL} {CARD}", stream=True))
        assert answer.text == f"Dear {EMAIL}, your card {CARD} is fine [1]."
        assert answer.finish == "stop"
