from __future__ import annotations

import copy
import math
import os
import pickle
from pathlib import Path

import pytest

from penstock.credentials import KeyPool, Secret, read_key
from penstock.errors import CallError

VALUE = "sk-test-not-a-key"


def secrets(*names: str) -> list[Secret]:
    return [Secret(f"{VALUE}-{name}") for name in names]


def refusal(kind: str = "auth", **fields: object) -> CallError:
    return CallError(kind, "Incorrect API key provided", status=401, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("shown", [repr, str, "{}".format, "{:>50}".format, "%s".__mod__, lambda s: repr([s])])
def test_a_secret_never_shows_itself(shown) -> None:  # type: ignore[no-untyped-def]
    assert VALUE not in shown(Secret(VALUE))
    assert Secret(VALUE).reveal() == VALUE


def test_a_secret_is_never_pickled() -> None:
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(Secret(VALUE))
    with pytest.raises(TypeError):
        copy.copy(Secret(VALUE))


def test_secrets_are_equal_by_value() -> None:
    assert Secret(VALUE) == Secret(VALUE)
    assert len({Secret(VALUE), Secret(VALUE), *secrets("b")}) == 2
    assert Secret(VALUE) != VALUE


def test_a_key_that_was_refused_is_tried_again_later_and_ever_more_rarely() -> None:
    pool = KeyPool(secrets("a", "b"))
    first, second = pool.keys
    now_s, waits = 0.0, []
    for _ in range(9):
        pool.set_aside(first, refusal(), now_s)
        assert pool.usable(now_s) == [second]
        waits.append(first.aside_until_s - now_s)
        now_s = first.aside_until_s
        pool.tried(first, now_s)
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


def test_one_request_alone_tries_a_key_that_was_set_aside() -> None:
    pool = KeyPool(secrets("a"))
    key = pool.keys[0]
    pool.set_aside(key, refusal(), 0.0)
    assert pool.usable(60.0) == [key]
    pool.tried(key, 60.0)
    assert pool.usable(61.0) == []
    assert pool.usable(90.0) == [key]  # nothing was heard of the first: another one tries


def test_a_key_is_trusted_again_once_what_tried_it_was_accepted() -> None:
    pool, told = KeyPool(secrets("a")), []
    pool.on_change(lambda: told.append(pool.usable(59.0)))
    key = pool.keys[0]
    pool.set_aside(key, refusal(), 0.0)
    pool.tried(key, 60.0)
    pool.proved(key, -1.0)  # sent before it was refused
    assert pool.usable(61.0) == []
    pool.proved(key, 60.0)
    assert told == [[], [key]]


def test_many_refusals_of_one_key_are_one() -> None:
    pool = KeyPool(secrets("a"))
    for now_s in (0.0, 1.0, 59.0):
        pool.set_aside(pool.keys[0], refusal(), now_s)
    assert pool.usable(60.0) == list(pool.keys)


def test_a_refusal_of_a_key_that_was_replaced_says_nothing_of_the_new_one() -> None:
    pool = KeyPool(secrets("a"))
    old = pool.keys[0]
    pool.replace(secrets("b"))
    pool.set_aside(old, refusal(), 0.0)
    assert [key.secret for key in pool.usable(0.0)] == secrets("b")


def test_a_key_without_credit_is_tried_again_later() -> None:
    pool = KeyPool(secrets("a"))
    pool.set_aside(pool.keys[0], refusal("quota_exhausted"), 0.0)
    assert pool.usable(599.0) == []
    assert pool.usable(600.0) == list(pool.keys)


def test_a_server_that_says_when_its_quota_is_back_is_believed() -> None:
    pool = KeyPool(secrets("a"))
    pool.set_aside(pool.keys[0], refusal("quota_exhausted", retry_after_s=30.0), 0.0)
    assert pool.usable(30.0) == list(pool.keys)


def test_when_no_key_is_left_the_error_says_what_the_provider_said() -> None:
    pool = KeyPool(secrets("a", "b"), name="openai")
    for key in pool.keys:
        pool.set_aside(key, refusal(), 0.0)
    error = pool.refusal("openai/gpt-x")
    assert (error.kind, error.target, error.sent) == ("auth", "openai/gpt-x", False)
    assert "all 2 keys were refused" in str(error)
    assert "Incorrect API key" in str(error)
    assert VALUE not in str(error)


def test_a_pool_without_keys_has_one_place_that_holds_none() -> None:
    pool = KeyPool()
    assert [key.secret for key in pool.usable(0.0)] == [None]
    pool.set_aside(pool.keys[0], refusal(), 0.0)
    assert "a request without a key was refused" in str(pool.refusal("mine/x"))


def test_replacing_keys_tells_everyone_and_keeps_what_is_known_of_those_that_stay() -> None:
    pool, told = KeyPool(secrets("a", "b")), []
    pool.on_change(lambda: told.append(len(pool.keys)))
    stays = pool.keys[1]
    pool.set_aside(stays, refusal(), 0.0)
    pool.replace(secrets("b", "c", "c"))
    assert pool.keys[0] is stays
    assert pool.usable(0.0) == list(pool.keys)
    assert told == [2, 2]


def rewrite(file: Path, text: str) -> None:
    file.write_text(text)
    later = file.stat().st_mtime_ns + 1_000_000_000
    os.utime(file, ns=(later, later))


def test_a_key_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{VALUE}-old\n")
    pool = KeyPool([Secret(f"{VALUE}-old")], files=[file])
    rewrite(file, f"{VALUE}-new\n")
    pool.refresh(0.0)
    assert [key.secret for key in pool.keys] == secrets("new")


def test_a_key_file_is_looked_at_every_two_seconds_at_most(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{VALUE}-old")
    pool = KeyPool([Secret(f"{VALUE}-old")], files=[file])
    pool.refresh(0.0)
    rewrite(file, f"{VALUE}-new")
    pool.refresh(1.9)
    assert [key.secret for key in pool.keys] == secrets("old")
    pool.refresh(2.0)
    assert [key.secret for key in pool.keys] == secrets("new")


def test_a_refused_key_whose_file_has_changed_is_replaced_and_not_set_aside(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{VALUE}-old")
    pool = KeyPool([Secret(f"{VALUE}-old")], files=[file])
    rewrite(file, f"{VALUE}-new")
    pool.set_aside(pool.keys[0], refusal(), 0.0)
    assert [key.secret for key in pool.usable(0.0)] == secrets("new")


@pytest.mark.parametrize("text", ["", "two words", "kéy"])
def test_a_file_that_holds_no_key_leaves_the_old_one(tmp_path: Path, text: str) -> None:
    file = tmp_path / "key"
    file.write_text(f"{VALUE}-old")
    pool = KeyPool([Secret(f"{VALUE}-old")], files=[file])
    rewrite(file, text)
    pool.refresh(0.0)
    assert [key.secret for key in pool.keys] == secrets("old")
    rewrite(file, f"{VALUE}-new")
    pool.refresh(10.0)
    assert [key.secret for key in pool.keys] == secrets("new")


def test_a_file_that_was_renamed_into_place_is_read_though_its_time_and_size_are_the_same(tmp_path: Path) -> None:
    file, fresh = tmp_path / "key", tmp_path / "key.new"
    file.write_text(f"{VALUE}-old")
    pool = KeyPool([Secret(f"{VALUE}-old")], files=[file])
    pool.refresh(0.0)
    fresh.write_text(f"{VALUE}-new")
    os.utime(fresh, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    fresh.replace(file)
    pool.refresh(2.0)
    assert [key.secret for key in pool.keys] == secrets("new")


def test_a_change_between_the_start_and_the_first_look_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{VALUE}-new")
    pool = KeyPool([Secret(f"{VALUE}-old")], files=[file])
    pool.refresh(0.0)
    assert [key.secret for key in pool.keys] == secrets("new")


def test_a_file_that_is_gone_for_a_moment_leaves_the_old_key(tmp_path: Path) -> None:
    file = tmp_path / "key"
    pool = KeyPool([Secret(f"{VALUE}-old")], files=[file])
    pool.refresh(0.0)
    assert [key.secret for key in pool.usable(0.0)] == secrets("old")
    file.write_text(f"{VALUE}-new")
    pool.refresh(2.0)
    assert [key.secret for key in pool.keys] == secrets("new")


def test_a_file_that_stays_broken_is_told_of_once_and_never_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "key"
    file.write_text(f"{VALUE} and more")
    pool = KeyPool([Secret(f"{VALUE}-old")], files=[file])
    told = []
    for look in range(5):
        pool.refresh(2.0 * look)
        told.append(len(caplog.messages))
    assert told == [0, 1, 1, 1, 1]
    assert "the last one stays in use" in caplog.text
    assert VALUE not in caplog.text


def test_a_key_longer_than_any_is_no_key(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("x" * 70_000)
    with pytest.raises(ValueError, match="one key and nothing else"):
        read_key(file)


def test_a_pipe_is_never_opened_again(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "key")
    pool = KeyPool(secrets("a"), files=[tmp_path / "key"])
    pool.refresh(0.0)  # opening it would wait for ever
    assert [key.secret for key in pool.keys] == secrets("a")


def test_every_key_is_announced_before_it_is_used(tmp_path: Path) -> None:
    file, announced = tmp_path / "key", []
    file.write_text(f"{VALUE}-new")
    pool = KeyPool(secrets("a"), files=[file], announce=announced.append)
    pool.refresh(0.0)
    pool.replace(secrets("b"))
    assert announced == [f"{VALUE}-a", f"{VALUE}-new", f"{VALUE}-b"]


def test_keys_that_are_replaced_may_come_from_files(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{VALUE}-a")
    pool = KeyPool(secrets("b"))
    pool.replace(secrets("a"), files=[file])
    rewrite(file, f"{VALUE}-c")
    pool.refresh(0.0)
    assert [key.secret for key in pool.keys] == secrets("c")
    pool.replace(secrets("d"))
    assert not pool.watches_files


def test_a_copy_for_another_loop_has_the_keys_and_no_grudge(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{VALUE}-a")
    pool = KeyPool(secrets("a", "b"), name="openai", files=[file])
    pool.set_aside(pool.keys[1], refusal(), 0.0)
    copied = pool.copied()
    assert [key.secret for key in copied.usable(0.0)] == secrets("a", "b")
    assert copied.watches_files


def test_a_pool_without_files_never_looks(tmp_path: Path) -> None:
    pool = KeyPool(secrets("a"))
    assert not pool.watches_files
    pool.refresh(math.inf)
