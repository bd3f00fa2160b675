from __future__ import annotations

from penstock.batch.window import Window


def drive(window: Window, completions_per_s: object, rounds: int = 60) -> int:
    """Feed it the completions of a server whose rate depends on the width."""
    now = 0.0
    for _ in range(rounds * 1000):
        now += 1 / completions_per_s(window.limit)  # type: ignore[operator]
        window.done(now)
    return window.limit


def test_it_widens_to_the_ceiling_while_that_pays() -> None:
    assert drive(Window(16, 1000), lambda width: width / 0.5) == 1000


def test_a_server_that_answers_one_by_one_is_not_buried() -> None:
    assert drive(Window(16, 1000), lambda width: 4.0) <= 32


def test_it_settles_near_the_servers_own_width() -> None:
    limit = drive(Window(16, 1000), lambda width: min(width, 100) / 0.5)
    assert 64 <= limit <= 256


def test_a_fixed_width_stays() -> None:
    assert drive(Window(200, 200), lambda width: width) == 200
