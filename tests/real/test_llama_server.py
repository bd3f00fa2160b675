"""The counterpart itself: what the other tests in this folder stand on."""

from __future__ import annotations

import json
import urllib.request

import pytest

pytestmark = pytest.mark.real_server


def test_the_server_is_llama_cpp_with_the_model_that_was_written(llama_url: str, llama_key: str) -> None:
    request = urllib.request.Request(llama_url + "/models", headers={"Authorization": f"Bearer {llama_key}"})
    with urllib.request.urlopen(request, timeout=10) as reply:
        model = json.load(reply)["data"][0]
    assert (model["id"], model["owned_by"]) == ("tiny-random", "llamacpp")
