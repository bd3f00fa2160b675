"""The nearest of many vectors is found, a file of records loses nothing that is whole, a local model is really run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.vectors.given import WORDS, write_model

from penstock.vectors import LocalModel, RecordFile, VectorIndex, normalised, packed, unpacked


def random_vectors(count, size=16, seed=1):
    rng = np.random.default_rng(seed)
    return [normalised(row) for row in rng.normal(size=(count, size))]


def nearest(vectors, wanted, count):
    return sorted(vectors, key=lambda key: -float(vectors[key] @ wanted))[:count]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=80))
def test_a_matrix_finds_the_nearest_of_what_was_added_and_not_removed(steps):
    index, there = VectorIndex(), {}
    vectors = random_vectors(31)
    for adds, key in steps:
        if adds and key not in there:
            index.add(b"g", key, vectors[key])
            there[key] = vectors[key]
        elif not adds:
            index.remove(key)
            there.pop(key, None)
    assert len(index) == len(there)
    assert [key for key, _ in index.search(b"g", vectors[0], 5)] == nearest(there, vectors[0], 5)


def test_a_graph_finds_them_too_and_survives_the_removal_of_most():
    index = VectorIndex(graph_from=50)
    vectors = dict(enumerate(random_vectors(400)))
    for key, vector in vectors.items():
        index.add(b"g", key, vector)
    for key in range(350):
        index.remove(key)
        del vectors[key]
    found = [key for key, _ in index.search(b"g", vectors[360], 5)]
    assert found[0] == 360
    assert len({*found} & {*nearest(vectors, vectors[360], 5)}) >= 4
    assert {*found} <= {*vectors}


def test_groups_never_see_each_other():
    index, (one, other) = VectorIndex(), random_vectors(2)
    index.add(b"a", 1, one)
    index.add(b"b", 2, other)
    assert index.search(b"a", other, 5) == [(1, pytest.approx(float(one @ other), abs=1e-5))]
    assert index.search(b"c", one, 5) == []


def test_a_vector_of_another_length_is_refused_and_finds_nothing():
    index = VectorIndex()
    index.add(b"g", 1, normalised([1.0, 2.0]))
    with pytest.raises(ValueError, match="3 numbers among those of 2"):
        index.add(b"g", 2, normalised([1.0, 2.0, 3.0]))
    assert index.search(b"g", normalised([1.0, 2.0, 3.0]), 1) == []


@pytest.mark.parametrize("vector", [[], [0.0, 0.0], [float("nan")], [float("inf"), 1.0]])
def test_what_has_no_direction_is_no_vector(vector):
    with pytest.raises(ValueError, match="no direction"):
        normalised(vector)


def test_packed_vectors_come_back():
    (vector,) = random_vectors(1)
    assert np.array_equal(unpacked(packed(vector)), vector)


def test_onnxruntime_and_usearch_live_in_one_process_whichever_is_wanted_first(tmp_path):
    # onnxruntime 1.31 crashes when it is imported after usearch 2.26.
    code = """
from penstock.vectors import VectorIndex, normalised
index = VectorIndex(graph_from=1)
for key in range(3):
    index.add(b"g", key, normalised([1.0, float(key)]))
import onnxruntime
print(index.search(b"g", normalised([1.0, 0.0]), 1)[0][0])
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "0\n"


def test_a_process_that_loaded_usearch_first_is_told_instead_of_crashed(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"")
    (tmp_path / "tokenizer.json").write_text("{}")
    code = """
from pathlib import Path
import usearch.index
from penstock import Client, ConfigError
from penstock.vectors import LocalModel, VectorIndex, normalised
index = VectorIndex(graph_from=1)
for key in range(3):
    index.add(b"g", key, normalised([1.0, float(key)]))
print(index.search(b"g", normalised([1.0, 0.0]), 1)[0][0])
try:
    Client("sim/fast", config={"cache": {"semantic": {"embedder": "onnx:."}}})
except ConfigError as error:
    print(error)
try:
    LocalModel(Path(".")).embed(["a"])
except ValueError as error:
    print(error)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    first, of_config, of_model = found.stdout.splitlines()
    why = "onnxruntime crashes the process once usearch is loaded; import onnxruntime before usearch"
    assert (first, of_config) == ("0", f"config: [cache.semantic] embedder: {why}")
    assert of_model.endswith(f"model.onnx: {why}")


# The file.


def test_another_process_reads_what_one_appends(tmp_path):
    one, other = RecordFile(tmp_path / "f"), RecordFile(tmp_path / "f")
    assert one.append([b"a", b"b"])
    assert other.read() == (True, [b"a", b"b"])
    assert not other.has_news
    assert one.append([b"c"])
    assert other.has_news
    assert other.read() == (False, [b"c"])


def test_who_has_news_reads_them_before_writing(tmp_path):
    one, other = RecordFile(tmp_path / "f"), RecordFile(tmp_path / "f")
    one.append([b"a"])
    assert not other.append([b"b"])
    assert other.read() == (True, [b"a"])
    assert other.append([b"b"])
    assert RecordFile(tmp_path / "f").read() == (True, [b"a", b"b"])


@given(cut=st.integers(1, 60), junk=st.binary(max_size=20))
def test_a_torn_end_costs_the_torn_record_alone_and_is_cut_off(tmp_path_factory, cut, junk):
    path = tmp_path_factory.mktemp("torn") / "f"
    RecordFile(path).append([b"first" * 4, b"second" * 6])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - min(cut, 43)] + junk)
    opened = RecordFile(path)
    is_anew, records = opened.read()
    assert is_anew
    assert records[:1] == [b"first" * 4]
    assert len(records) == 1
    assert opened.append([b"third"])
    assert RecordFile(path).read() == (True, [b"first" * 4, b"third"])


def test_a_file_that_was_begun_anew_is_read_from_its_beginning(tmp_path):
    one, other = RecordFile(tmp_path / "f"), RecordFile(tmp_path / "f")
    one.append([b"a", b"b"])
    other.read()
    assert one.rewrite([b"b"])
    assert other.read() == (True, [b"b"])


def test_a_file_of_somebody_elses_is_left_as_it_is(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"#!/bin/sh\nexit 1\n")
    with pytest.raises(ValueError, match="left as it is"):
        RecordFile(path).read()
    assert path.read_bytes() == b"#!/bin/sh\nexit 1\n"


# The local model.


def one_hot(place):
    return [1.0 if place == at else 0.0 for at in range(len(WORDS))]


def test_a_local_model_is_averaged_over_the_tokens_of_each_text(tmp_path):
    model = LocalModel(write_model(tmp_path, [one_hot(place) for place in range(len(WORDS))]))
    short, long = model.embed(["reset", "How do I reset my password?"])
    assert np.allclose(short, one_hot(WORDS.index("reset")))  # what pads it counts for nothing
    assert float(long @ short) == pytest.approx(1 / np.sqrt(7))
    assert float(long @ long) == pytest.approx(1.0)


def test_the_files_that_are_missing_or_broken_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"model\.onnx isn't there"):
        LocalModel(tmp_path)
    folder = write_model(tmp_path, [one_hot(0)] * len(WORDS))
    (folder / "model.onnx").write_bytes(b"no model at all")
    with pytest.raises(ValueError, match=r"model\.onnx: no ONNX model"):
        LocalModel(folder).embed(["a"])
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match=r"tokenizer\.json: no tokenizer"):
        LocalModel(folder).embed(["a"])


def test_a_model_that_wants_something_else_is_refused(tmp_path):
    folder = write_model(tmp_path, [one_hot(0)] * len(WORDS), inputs=("attention_mask", "pixel_values"))
    with pytest.raises(ValueError, match="wants pixel_values"):
        LocalModel(folder).embed(["a"])


def test_another_model_has_another_fingerprint(tmp_path):
    one = LocalModel(write_model(tmp_path / "one", [one_hot(0)] * len(WORDS)))
    other = LocalModel(write_model(tmp_path / "other", [one_hot(1)] * len(WORDS)))
    assert one.fingerprint() == LocalModel(Path(tmp_path / "one")).fingerprint() != other.fingerprint()
