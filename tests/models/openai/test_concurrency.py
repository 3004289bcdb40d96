import math

from synthkit.models.openai.concurrency import Window


def opened(ceiling: int = 500, successes: int = 1) -> Window:
    window = Window(ceiling)
    for _ in range(successes):
        window.succeeded(window.era)
    return window


def test_one_request_goes_first():
    assert Window(500).limit == 1


def test_first_success_opens_the_window_to_its_ceiling():
    assert opened(500).limit == 500
    assert opened(8).limit == 8


def test_the_window_is_filled_in_bursts():
    window = opened(20)
    assert [window.room(n) for n in (0, 1, 8, 16, 20)] == [8, 9, 16, 20, 20]
    assert window.room(0) == 20
    assert Window(20).room(0) == 1


def test_opening_by_time_does_not_prove_the_server():
    window = Window(500)
    window.open(64)
    assert (window.limit, window.proven) == (64, False)


def test_opening_never_shuts_a_wider_window():
    window = opened(500)
    window.open(64)
    assert window.limit == 500


def test_the_first_429_of_an_era_leaves_four_fifths_of_what_was_in_flight():
    window = opened()
    assert [window.throttled(0, 40 - n) for n in range(32)] == [False] * 32
    assert (window.limit, window.era) == (32, 1)


def test_requests_in_flight_beyond_the_window_do_not_widen_it():
    window = opened(10)
    window.throttled(0, 40)
    assert window.limit == 8


def test_after_a_429_a_window_of_successes_adds_one():
    window = opened()
    window.throttled(0, 40)
    for _ in range(32):
        window.succeeded(1)
    assert math.isclose(window.limit, 33, abs_tol=0.05)


def test_a_success_from_before_the_429_says_nothing_of_the_new_width():
    window = opened()
    window.throttled(0, 40)
    window.succeeded(0)
    assert window.limit == 32


def test_an_era_of_429s_alone_asks_for_a_pause_and_quarters():
    window = opened()
    assert window.throttled(0, 40) is False
    assert window.throttled(1, 32) is True
    assert (window.limit, window.pauses) == (8, 1)
    assert window.throttled(2, 8) is True
    assert window.throttled(3, 2) is True
    assert (window.limit, window.pauses) == (1, 3)


def test_a_429_before_any_success_asks_for_a_pause():
    window = Window(500)
    assert window.throttled(0, 1) is True
    assert window.limit == 1
    window.succeeded(window.era)
    assert window.limit == 500


def test_after_a_pause_growth_is_fast_up_to_the_width_before_it():
    window = opened()
    window.throttled(0, 40)
    for era in (1, 2, 3):
        window.throttled(era, 1)
    for _ in range(31):
        window.succeeded(4)
    assert (window.limit, window.pauses) == (32, 0)
    window.succeeded(4)
    assert window.limit == 32 + 1 / 32


def test_limit_stays_between_one_and_the_ceiling_whatever_comes():
    window = Window(3)
    for step in range(2000):
        if step % 7 < 3:
            window.throttled(window.era, 3)
        else:
            window.succeeded(window.era - step % 2)
        assert 1 <= window.limit <= 3


def test_a_later_run_begins_where_the_last_one_ended():
    window = Window(100)
    window.reopen(80.0)
    window.succeeded(0)
    assert window.limit == 81
    assert window.throttled(0, 90) is False
    assert window.limit == 64.8
    small = Window(8)
    small.reopen(80.0)
    assert small.limit == 8
