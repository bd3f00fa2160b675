"""The verifier: the same either way round, and no wherever one thing that decides an answer differs."""

from __future__ import annotations

import string
import time
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from penstock.policies.semantic import refusal
from penstock.policies.semantic.lexicon import UNITS

PAIRS = Path(__file__).parents[2] / "bench" / "semantic" / "tuning.txt"
QUESTIONS = [line[2:] for line in PAIRS.read_text(encoding="utf-8").splitlines() if line[:1] in "=+-" and line]
FRAMES = [
    "How many people lived in Oslo in {}?",
    "Convert {} miles to kilometers.",
    "What is the boiling point of water at {} bar?",
    "Is {} a prime number?",
    "What happens {} seconds after the start?",
    "Wie viel ist {} mal drei?",
]
STRICTNESS = ("words", "facts")
texts = st.text(st.characters(codec="utf-8"), max_size=80) | st.text(string.ascii_letters + " .,?'\"`-5%", max_size=60)


@given(st.sampled_from(QUESTIONS) | texts, st.sampled_from(QUESTIONS) | texts, st.sampled_from(STRICTNESS))
def test_it_is_the_same_either_way_round(one, other, strictness):
    assert refusal(one, other, strictness) == refusal(other, one, strictness)


@given(texts, st.sampled_from(STRICTNESS))
def test_a_question_is_itself(text, strictness):
    assert refusal(text, text, strictness) is None


@given(st.sampled_from(QUESTIONS), st.sampled_from(["{}!", " {}", "{}\n"]))
def test_spaces_and_a_mark_change_nothing(text, frame):
    assume(text[0].isupper() and text.isascii())
    assert refusal(frame.format(text), text) is None


@pytest.mark.parametrize("text", ["Summarize the French Revolution.", "List the planets.", "Explain how a lock works."])
def test_a_please_changes_nothing(text):
    assert refusal(f"Please {text[0].lower()}{text[1:]}", text) is None


@given(st.sampled_from(FRAMES), st.integers(0, 10**6), st.integers(0, 10**6), st.sampled_from(STRICTNESS))
def test_no_other_whole_number_passes(frame, one, other, strictness):
    assume(one != other)
    assert refusal(frame.format(one), frame.format(other), strictness) == "numbers"


@given(st.sampled_from(FRAMES), st.decimals(0, 1000, places=2), st.decimals(0, 1000, places=2))
def test_no_other_decimal_passes(frame, one, other):
    assume(one != other)
    assert refusal(frame.format(one), frame.format(other)) is not None


@given(st.sampled_from(FRAMES[:2]), st.integers(1, 10**6))
def test_no_other_sign_passes(frame, number):
    assert refusal(frame.format(number), frame.format(-number)) is not None


@given(st.sampled_from(sorted({*UNITS.values()})), st.sampled_from(sorted({*UNITS.values()})))
def test_no_other_unit_passes(one, other):
    assume(one != other and {one, other}.isdisjoint({"am", "min", "second"}))
    assert refusal(f"What does 5 {one} of it cost?", f"What does 5 {other} of it cost?") is not None


NEGATED = [
    ("Does the contract allow pets?", "Does the contract not allow pets?"),
    ("Can I pay with PayPal?", "Can I pay without PayPal?"),
    ("Why can I log in?", "Why can't I log in?"),
    ("Which birds fly?", "Which birds never fly?"),
    ("Are there people on board?", "Is there nobody on board?"),
    ("I like it. Should I buy the red bike?", "I don't like it. Should I buy the red bike?"),
    ("Ist das gesund für Kinder und Hunde?", "Ist das nicht gesund für Kinder und Hunde?"),
    ("Est-ce que le vin est bon pour la santé ?", "Est-ce que le vin n'est pas bon pour la santé ?"),
]


@pytest.mark.parametrize(("said", "negated"), NEGATED)
@pytest.mark.parametrize("strictness", STRICTNESS)
def test_a_negation_never_passes(said, negated, strictness):
    assert refusal(said, negated, strictness) is not None


@given(st.sampled_from(QUESTIONS), st.data())
def test_no_question_passes_with_one_more_not(text, data):
    assume(text.isascii() and '"' not in text and "`" not in text and "'" not in text)
    words = text.split(" ")
    place = data.draw(st.integers(1, len(words)))
    assert refusal(text, " ".join([*words[:place], "not", *words[place:]])) is not None


@given(st.sampled_from(QUESTIONS), st.data())
def test_no_question_passes_with_another_word_in_place_of_one(text, data):
    words = text.split(" ")
    place = data.draw(st.integers(0, len(words) - 1))
    changed = [*words[:place], "zyxomatic", *words[place + 1 :]]
    assert refusal(text, " ".join(changed)) is not None


REFUSED = [
    ("language", "Wie hoch ist der Turm in Paris?", "How high is the tower in Paris?"),
    ("language", "Столица России?", "Capital of Russia?"),
    ("code", "What does `a + b` do?", "What does `a - b` do?"),
    ("code", "Summarise https://example.org/a", "Summarise https://example.org/b"),
    ("code", "Write to ann@example.org", "Write to bob@example.org"),
    ("quotes", 'Translate "good night" into Spanish.', 'Translate "good morning" into Spanish.'),
    ("quotes", "Who says “to be”?", "Who says “to do”?"),
    ("units", "How far is 5 km?", "How far is 5 miles?"),
    ("units", "How much is $50 worth?", "How much is €50 worth?"),
    ("dates", "What happened in Rome in May?", "What happened in Rome in March?"),
    ("dates", "What happened in Rome in May?", "What happened in Rome?"),
    ("dates", "Will it rain tomorrow?", "Will it rain today?"),
    ("dates", "May I eat after surgery?", "May I eat before surgery?"),
    ("names", "What is the capital of Austria?", "What is the capital of Australia?"),
    ("names", "Which vitamin is in kale, B12 or K?", "Which vitamin is in kale, B6 or K?"),
    ("direction", "Convert 5 dollars to euros.", "Convert 5 euros to dollars."),
    ("direction", "Is Python faster than Java?", "Is Java faster than Python?"),
    ("direction", "Is Python faster than Java?", "Is Python slower than Java?"),
    ("direction", "Does John love Mary?", "Does Mary love John?"),
    ("direction", "flights to Berlin", "flights from Berlin"),
    ("direction", "books about Paris", "books in Paris"),
    ("direction", "Add a user to a group", "Add a group to a user"),
    ("question", "When was the phone invented?", "Where was the phone invented?"),
    ("question", "What can I eat before surgery?", "What should I eat before surgery?"),
    ("question", "Where do you live?", "Where do I live?"),
    ("tense", "Did it rain in Seattle?", "Will it rain in Seattle?"),
    ("tense", "Who is the president of France?", "Who was the president of France?"),
    ("words", "Can dogs eat apples?", "Can dogs eat grapes?"),
    ("words", "Which IT jobs are there?", "Which jobs are there?"),
    ("words", "Who are you?", "Who am I?"),
]


@pytest.mark.parametrize(("reason", "one", "other"), REFUSED)
def test_what_differs_is_named(reason, one, other):
    found = refusal(one, other)
    assert found == reason or (reason in ("names", "dates", "units") and found == "numbers")


ALIKE = [
    ("How do I reset my password?", "What is the best way to reset my password?"),
    ("What's Australia's capital?", "What is the capital of Australia?"),
    ("In Python, how can I sort a list?", "How do I sort a list in Python?"),
    ("How many kilometers are 10 miles?", "Convert 10 miles to km."),
    ("Is it possible to freeze cooked rice?", "Can I freeze cooked rice?"),
    ("How do I turn off the alarm?", "How can I disable the alarm?"),
    ("Give me a recipe for banana bread.", "Can you give me a banana bread recipe?"),
    ("What is 15 percent of 80?", "Calculate 15% of 80."),
    ("Is seven a prime number?", "Is 7 a prime number?"),
]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_the_same_question_in_other_words_passes(one, other):
    assert refusal(one, other) is None


def test_with_facts_alone_other_words_pass_and_other_facts_do_not():
    assert refusal("How do I fix a flat tire?", "How do I mend a punctured tyre?", "facts") is None
    assert refusal("How do I fix 2 flat tires?", "How do I mend 3 punctured tyres?", "facts") == "numbers"
    assert refusal("Is Rome older than Paris?", "Is Paris more ancient than Rome?", "facts") is not None


@pytest.mark.parametrize(
    "part", ["a@", "how is a a ", "what does ", "if a ", "convert 1 ", "'a", "`", '"', "1.", "a.", "/a", "i want to a "]
)
def test_no_text_takes_long(part):
    began_s = time.process_time()
    refusal((part * 4000)[:4000], "Why is the sky blue?")
    assert time.process_time() - began_s < 2.0
