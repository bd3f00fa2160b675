"""Prompts as a client asks them: which version, which settings, and what the answer says of it."""

from __future__ import annotations

import pickle

import pytest

from penstock import Client, InputError, Prompt, Request, Unanswered

PROMPT = Prompt(
    "Translate to {{ language }}: {{ text }}",
    name="translate",
    version="1.2.0",
    defaults={"language": "German"},
    settings={"max_tokens": 2, "model": "sim/typical"},
)


@pytest.fixture
def client():
    with Client("sim/fast", config={}) as client:
        yield client


def test_an_answer_tells_the_version_that_was_asked(client) -> None:
    answers = [
        client.generate(PROMPT, variables={"text": "moon"}),
        client.generate(PROMPT.render(text="moon")),
        *client.map([PROMPT.render(text="moon"), Request(PROMPT, variables={"text": "moon"})]),
        *client.run([PROMPT.render(text="moon")]),
    ]
    with client.stream(PROMPT, variables={"text": "moon"}) as stream:
        answers.append(stream.finish())
    for answer in [*answers, pickle.loads(pickle.dumps(answers[0]))]:
        assert (answer.prompt.name, answer.prompt.version, answer.prompt.hash) == ("translate", "1.2.0", PROMPT.hash)
    assert answers[0].to_dict()["prompt"]["version"] == "1.2.0"
    assert client.generate("moon").prompt is None


def test_the_prompts_settings_stand_below_what_the_caller_says(client) -> None:
    values = {"text": "the moon and the sun"}
    assert client.generate(PROMPT, variables=values).usage.output_tokens == 2
    assert client.generate(PROMPT, variables=values, max_tokens=1).usage.output_tokens == 1


def test_the_prompts_model_counts_where_nobody_named_one(client) -> None:
    values = {"text": "moon"}
    assert client.generate(PROMPT, variables=values).target == "sim/fast"
    with Client(config={}) as nobody:
        assert nobody.generate(PROMPT, variables=values).target == "sim/typical"
        assert nobody.generate(PROMPT, variables=values, model="sim/fast").target == "sim/fast"


def test_a_completion_prompt_is_completed_by_either_method(client) -> None:
    prompt = Prompt("Once {{ word }}", type="completion", name="story")
    assert client.complete(prompt, variables={"word": "upon"}) == client.generate(prompt.render(word="upon")).text


def test_variables_may_be_said_for_many(client) -> None:
    answers = client.map([PROMPT, PROMPT], variables={"text": "moon"})
    assert [str(answer.prompt) for answer in answers] == ["translate@1.2.0"] * 2


@pytest.mark.parametrize(
    ("prompt", "options", "message"),
    [
        (PROMPT, {}, 'missing "text"'),
        (PROMPT, {"variables": {"text": "x", "tex": 1}}, 'unexpected "tex"'),
        ("moon", {"variables": {"text": "x"}}, "only a penstock.Prompt takes them, and this prompt is a str"),
        (PROMPT.render(text="x"), {"variables": {"text": "x"}}, "rendered already"),
        (Prompt("x", name="p", settings={"temprature": 1}), {}, 'p: settings: unknown option "temprature"'),
        (Prompt("x", name="p", settings={"temperature": "hot"}), {}, "p: settings: temperature: expected a number"),
        (
            Prompt("{{ a }}", max_prompt_tokens=3),
            {"variables": {"a": "word " * 99}},
            "as sim/fast counts, and may have 3",
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_sent(client, prompt, options, message) -> None:
    with pytest.raises(InputError, match=message):
        client.generate(prompt, **options)
    assert client.stats().requests == 0


def test_a_prompt_that_no_target_can_read_is_refused_before_it_is_sent() -> None:
    prompt = Prompt("{{ text }}", name="long")
    said = {"providers": {"sim": {"base_url": "http://127.0.0.1:9/v1", "api_key": "sk-test-not-a-key"}}}
    with Client("sim/gpt-4", config=said) as client:
        with pytest.raises(InputError, match=r"long: the prompt has .* tokens, and sim/gpt-4 reads 8192"):
            client.generate(prompt, variables={"text": "word " * 12_000})
        with pytest.raises(InputError, match="sim/gpt-4 reads 8192"):
            client.complete(Prompt("{{ text }}", type="completion", name="p"), variables={"text": "word " * 12_000})
        assert client.stats().requests == 0
        with pytest.raises(Unanswered):
            client.generate(prompt, variables={"text": "word " * 6_000}, deadline=0.2)
        with pytest.raises(Unanswered):
            client.generate(
                prompt, variables={"text": "word " * 12_000}, model=["sim/gpt-4", "sim/gpt-4o"], deadline=0.2
            )


def test_an_item_that_does_not_fit_is_a_failed_answer_and_the_others_go_on(client) -> None:
    bad, good = client.map([PROMPT, PROMPT.render(text="x")])
    assert isinstance(bad.error, InputError)
    assert good.status == "truncated"
