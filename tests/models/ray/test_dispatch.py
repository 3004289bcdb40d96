from __future__ import annotations

from synthkit.core.types import Message, Request
from synthkit.models.ray.dispatch import Dispatch


def dispatch(count: int, *, slots: int = 2, resends: int = 2) -> Dispatch[str]:
    requests = [Request((Message("user", str(at)),)) for at in range(count)]
    return Dispatch(requests, slots=slots, resends=resends)


def sent(run: Dispatch[str], *workers: str) -> dict[str, list[int]]:
    parts = run.parts(workers)
    return {worker: [position for position, _ in part] for worker, part in parts.items()}


def test_each_request_goes_where_most_slots_are_free() -> None:
    run = dispatch(5)
    assert sent(run, "a", "b") == {"a": [0, 2], "b": [1, 3]}
    assert run.take("b", 3)
    assert sent(run, "a", "b") == {"b": [4]}


def test_a_request_that_is_appended_is_sent() -> None:
    run = dispatch(1)
    assert sent(run, "a") == {"a": [0]}
    run.requests.append(run.requests[0])  # type: ignore[attr-defined]
    assert sent(run, "a") == {"a": [1]}
    assert not run.done


def test_the_requests_of_a_dead_worker_go_to_the_others_first() -> None:
    run = dispatch(6, slots=3)
    assert sent(run, "a", "b") == {"a": [0, 2, 4], "b": [1, 3, 5]}
    assert run.died("a", "gone") == []
    assert run.take("b", 1)
    assert run.take("b", 3)
    assert sent(run, "b") == {"b": [0, 2]}


def test_a_completion_of_a_worker_that_was_given_up_does_not_count() -> None:
    run = dispatch(1)
    sent(run, "a")
    run.died("a", "gone")
    assert not run.take("a", 0)
    assert sent(run, "b") == {"b": [0]}
    assert run.take("b", 0)
    assert run.done


def test_a_request_goes_alone_the_last_time_and_is_then_given_up() -> None:
    run = dispatch(3, slots=2, resends=2)
    for _ in range(2):
        assert sent(run, "a")["a"] == [0, 1]
        assert run.died("a", "killed") == []
    assert sent(run, "a") == {"a": [0]}
    ((position, done),) = run.died("a", "killed")
    assert (position, done.finish, done.tries) == (0, "error", 3)
    assert done.error == "3 workers died while they had this request, the last one alone: killed"
    assert sent(run, "a") == {"a": [1]}
    assert run.take("a", 1)
    assert sent(run, "a") == {"a": [2]}
    assert run.take("a", 2)
    assert run.done


def test_a_worker_is_emptied_for_a_request_that_goes_alone() -> None:
    run = dispatch(4, slots=2, resends=1)
    assert sent(run, "a") == {"a": [0, 1]}
    run.died("a", "killed")
    assert sent(run, "b", "c") == {"b": [0], "c": [1]}
    assert sent(run, "b", "c") == {}
    run.take("b", 0)
    assert sent(run, "b", "c") == {"b": [2, 3]}


def test_without_resends_a_death_is_final() -> None:
    run = dispatch(2, resends=0)
    assert sent(run, "a") == {"a": [0, 1]}
    given_up = run.died("a", "killed")
    assert sorted(position for position, _ in given_up) == [0, 1]
    expected = "the worker died while it had this request, which is sent only once: killed"
    assert {done.error for _, done in given_up} == {expected}
    assert run.done
