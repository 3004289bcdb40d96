import math

from synthkit.models.openai.concurrency import Window


def opened(ceiling: int = 500, successes: int = 1) -> Window:
    window = Window(ceiling)
    for _ in range(successes):
        window.succeeded(window.era)
    return window


def test_one_request_goes_first():
    assert Window(500).limit == 1


def test_first_success_opens_the_window():
    assert opened(500).limit == 64
    assert opened(8).limit == 8


def test_slow_start_adds_three_for_each_success_up_to_the_ceiling():
    assert opened(500, successes=1 + 64).limit == 256
    assert opened(100, successes=1 + 64).limit == 100


def test_opening_by_time_does_not_prove_the_server():
    window = Window(500)
    window.open()
    assert (window.limit, window.proven) == (64, False)


def test_opening_never_shuts_a_wider_window():
    window = opened(500, successes=100)
    window.open()
    assert window.limit == 64 + 3 * 99


def test_only_the_first_429_of_an_era_halves():
    window = opened()
    assert [window.throttled(0) for _ in range(32)] == [False] * 32
    assert (window.limit, window.era) == (32, 1)


def test_after_a_429_a_window_of_successes_adds_one():
    window = opened()
    window.throttled(0)
    for _ in range(32):
        window.succeeded(1)
    assert math.isclose(window.limit, 33, abs_tol=0.05)


def test_a_success_from_before_the_halving_says_nothing_of_the_new_width():
    window = opened()
    window.throttled(0)
    window.succeeded(0)
    assert window.limit == 32


def test_an_era_of_429s_alone_asks_for_a_pause_and_quarters():
    window = opened()
    assert window.throttled(0) is False
    assert window.throttled(1) is True
    assert (window.limit, window.pauses) == (8, 1)
    assert window.throttled(2) is True
    assert window.throttled(3) is True
    assert (window.limit, window.pauses) == (1, 3)


def test_a_429_before_any_success_asks_for_a_pause():
    window = Window(500)
    assert window.throttled(0) is True
    assert window.limit == 1


def test_after_a_pause_growth_is_fast_up_to_the_halved_width():
    window = opened()
    window.throttled(0)
    for era in (1, 2, 3):
        window.throttled(era)
    for _ in range(11):
        window.succeeded(4)
    assert (window.limit, window.pauses) == (32, 0)
    window.succeeded(4)
    assert window.limit == 32 + 1 / 32


def test_limit_stays_between_one_and_the_ceiling_whatever_comes():
    window = Window(3)
    for step in range(2000):
        if step % 7 < 3:
            window.throttled(window.era)
        else:
            window.succeeded(window.era - step % 2)
        assert 1 <= window.limit <= 3


def test_a_later_run_begins_where_the_last_one_ended():
    window = Window(100)
    window.reopen(80.0)
    window.succeeded(0)
    assert window.limit == 83
    assert window.throttled(0) is False
    assert window.limit == 41.5
    small = Window(8)
    small.reopen(80.0)
    assert small.limit == 8
