"""Settings are read in every form that the documentation names, and refused by name in any other."""

import pytest

from penstock.config import read_duration, read_size
from penstock.config.values import Where, read_positive_int, read_table
from penstock.errors import ConfigError


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("30s", 30),
        ("2m", 120),
        (20, 20),
        (0.5, 0.5),
        ("250ms", 0.25),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("30d", 2592000),
        ("15", 15),
        (" 2 m ", 120),
    ],
)
def test_durations_are_seconds(written, seconds):
    assert read_duration(written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written", ["", "s", "-3s", -3, 0, "0s", True, None, "1 2", "3 parsecs", float("inf"), float("nan"), [1]]
)
def test_what_is_no_duration_is_refused_with_the_form(written):
    with pytest.raises(ConfigError, match='expected a duration such as "30s"'):
        read_duration(written)


@pytest.mark.parametrize(
    ("written", "size"),
    [("10GB", 10**10), ("64MiB", 64 * 2**20), (4096, 4096), ("1.5k", 1500), ("2 TB", 2 * 10**12), ("7b", 7)],
)
def test_sizes_are_bytes(written, size):
    assert read_size(written) == size


@pytest.mark.parametrize("written", ["", "GB", -1, 0, True, 1.5, "10 parsecs"])
def test_what_is_no_size_is_refused_with_the_form(written):
    with pytest.raises(ConfigError, match='expected a size such as "10GB"'):
        read_size(written)


def test_an_unknown_key_names_its_section_and_the_nearest_known_one():
    with pytest.raises(ConfigError) as caught:
        read_table(
            {"rmp": 5}, {"rpm": read_positive_int, "tpm": read_positive_int}, Where("penstock.toml", ("limits",))
        )
    assert str(caught.value) == 'penstock.toml: [limits]: unknown key "rmp"; did you mean "rpm"?'
