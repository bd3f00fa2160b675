"""A schema is asked for by what each model takes, and the caller's body stays as it is."""

import json

import pytest

from penstock.call import Call
from penstock.catalog import schema_mode, vendor
from penstock.wire.openai import OpenAICodec

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
FORM = {"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": SCHEMA}}
USER = {"role": "user", "content": "hi"}


def sent(provider, model, *, messages=(USER,), form=FORM):
    body = {"messages": list(messages), "response_format": form}
    before = json.dumps(body)
    call = Call(id="1", model="route", body=body)
    request = OpenAICodec(vendor(provider)).encode_request(call, model, stream=False)
    assert json.dumps(body) == before
    return json.loads(request.body)


@pytest.mark.parametrize(
    ("provider", "model", "mode"),
    [
        ("openai", "gpt-4o-mini", "schema"),
        ("openai", "gpt-4.1", "schema"),
        ("openai", "gpt-5-nano", "schema"),
        ("openai", "gpt-4o-2024-05-13", "object"),
        ("openai", "gpt-4-turbo", "object"),
        ("openai", "gpt-3.5-turbo", "object"),
        ("openai", "gpt-4", "prompt"),
        ("openai", "gpt-4-0613", "prompt"),
        ("azure", "gpt-35-turbo", "object"),
        ("azure", "my-deployment", "bare"),
        ("deepseek", "deepseek-chat", "object"),
        ("groq", "openai/gpt-oss-120b", "schema"),
        ("groq", "moonshotai/kimi-k2-instruct-0905", "loose"),
        ("groq", "llama-3.3-70b-versatile", "object"),
        ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo", "schema"),
        ("custom", "anything", "schema"),
    ],
)
def test_who_takes_what(provider, model, mode):
    assert schema_mode(vendor(provider), model) == mode


def test_a_model_that_takes_schemas_gets_it_as_it_stands():
    assert sent("openai", "gpt-4o")["response_format"] == FORM


def test_constraints_that_strict_mode_refuses_are_told_in_words():
    inner = {"type": "integer", "minimum": 1, "description": "How many."}
    schema = {**SCHEMA, "properties": {"format": {"enum": ["minimum"]}, "a": {"anyOf": [inner, {"type": "null"}]}}}
    form = {"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": schema}}
    got = sent("azure", "my-deployment", form=form)["response_format"]["json_schema"]["schema"]
    told = {"type": "integer", "description": "How many. (minimum: 1)"}
    assert got["properties"] == {"format": {"enum": ["minimum"]}, "a": {"anyOf": [told, {"type": "null"}]}}
    form["json_schema"]["strict"] = False
    assert sent("azure", "my-deployment", form=form)["response_format"] == form


def test_json_mode_comes_with_the_schema_in_the_prompt():
    body = sent("deepseek", "deepseek-chat")
    assert body["response_format"] == {"type": "json_object"}
    system, user = body["messages"]
    assert (system["role"], user) == ("system", USER)
    assert "JSON" in system["content"]
    assert json.dumps(SCHEMA, separators=(",", ":")) in system["content"]


@pytest.mark.parametrize("content", ["Be brief.", [{"type": "text", "text": "Be brief."}]])
def test_a_system_message_that_is_there_is_gone_on_with(content):
    body = sent("deepseek", "deepseek-chat", messages=({"role": "system", "content": content}, USER))
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert "Be brief." in json.dumps(body["messages"][0])
    assert "JSON Schema" in json.dumps(body["messages"][0])


def test_a_model_without_any_mode_is_told_by_the_prompt():
    body = sent("openai", "gpt-4")
    assert "response_format" not in body
    assert "JSON Schema" in body["messages"][0]["content"]


def test_a_schema_that_isnt_strict_is_the_same_otherwise():
    form = sent("groq", "meta-llama/llama-4-scout-17b-16e-instruct")["response_format"]
    assert form == {"type": "json_schema", "json_schema": {"name": "a", "strict": False, "schema": SCHEMA}}


@pytest.mark.parametrize("form", [{"type": "json_object"}, {"type": "text"}, {"type": "json_schema"}, {"type": "new"}])
def test_other_formats_stay(form):
    assert sent("deepseek", "deepseek-chat", form=form)["response_format"] == form
