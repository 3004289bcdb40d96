from __future__ import annotations

import pickle
import sys
from typing import Any

import pytest

import synthkit as sk
from synthkit.core import ray_cluster
from synthkit.core.errors import MissingExtra, ModelNotFound, UsageError
from synthkit.core.models import Budget
from synthkit.core.types import Message, Request
from synthkit.models.ray.model import RayModel


def over_ray(spec: str = "fake", **options: Any) -> RayModel:
    model = sk.load_model(f"ray:{spec}", **options)
    assert isinstance(model, RayModel)
    return model


def test_it_is_known_as_the_model_that_the_workers_hold() -> None:
    alone = sk.Fake("yes", name="x", price=(1.0, 2.0))
    model = over_ray("fake:x", answer="yes", price=(1.0, 2.0), workers=3)
    assert model.fingerprint == alone.fingerprint
    assert (model.name, model.price) == ("x", (1.0, 2.0))
    assert model.reasoning_markers == alone.reasoning_markers
    assert (model.concurrency, model.budget) == (3 * 64, Budget())
    assert repr(model) == "RayModel('x', workers=3)"


def test_an_endpoint_keeps_its_concurrency_and_budget() -> None:
    model = over_ray("openai:m", base_url="http://127.0.0.1:1/v1", concurrency=5, max_requests=7)
    assert (model.concurrency, model.budget.max_requests) == (10, 7)


def test_nothing_is_started_before_the_first_request() -> None:
    model = over_ray()
    assert model.activity.text == ""
    assert not model.unload()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers must be at least 1"),
        ({"cpus": -1}, "cpus, gpus and resends must be at least 0"),
        ({"gpus": "all"}, "gpus must be a number"),
        ({"api_key": "sk-secret"}, "not sent to a cluster by its value"),
        ({"ask_key": True}, "not sent to a cluster by its value"),
        ({"env": "NO_SUCH_VARIABLE"}, "NO_SUCH_VARIABLE is not"),
        ({"colour": "red"}, "option 'colour' not found"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        over_ray("fake", **options)
    assert "sk-secret" not in str(raised.value)


def test_an_unknown_model_is_named() -> None:
    with pytest.raises(ModelNotFound, match="'nothing' not found"):
        over_ray("nothing")


def test_without_ray_the_install_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match=r'ray is needed .* "jupyter-synthkit\[ray\]"'):
        ray_cluster.join()
    with pytest.raises(MissingExtra, match="to spread work over a cluster"):
        list(over_ray().complete([Request((Message("user", "?"),))]))


def test_a_model_can_be_sent_to_a_worker() -> None:
    load = pickle.loads(pickle.dumps(over_ray("fake:x", answer="yes")._load))
    assert load().fingerprint == sk.Fake("yes", name="x").fingerprint
