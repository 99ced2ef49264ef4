"""A gateway with models of one and of two offers, and what the tests of routes and of drills do with it."""

import time

import httpx2
import pytest

from live import live
from smartoken.operations.office import Office
from smartoken.operations.rights import Actor, ActorKind

ECHO = ("openai", "echo")


SIMPLE = {"messages": [{"role": "user", "content": "Say hello to the fleet"}]}


MODELS = [
    ("test/pair", [("openai", "echo?tokens=12&pace_ms=2"), ECHO]),
    ("test/single", [("openai", "overloaded")]),
    ("test/answers", [("openai", "echo?tokens=5")]),
    ("test/dear", [("openai", "echo?tokens=5")], {"price": {"currency": "USD", "input": "900000", "output": "900000"}}),
    ("test/split", [ECHO, ECHO], {}),
    ("test/shy", [("openai", "overloaded"), ECHO]),
]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with live(tmp_path_factory.mktemp("routing"), MODELS) as running:
        yield running


def call(gateway, model, *, stream=False, **more):
    body = {"model": model, "stream": stream, **SIMPLE, **more}
    return httpx2.post(f"{gateway.base_url}/chat/completions", json=body, headers=gateway.headers, timeout=20)


def attempts(gateway, answer):
    shown = httpx2.get(f"{gateway.base_url}/calls/{answer.headers['x-request-id']}", headers=gateway.headers)
    return shown.json()["attempts"]


def work(gateway):
    worker = gateway.worker
    store = worker.store
    office = Office(store.db, store.vault, store.pepper, worker.directory.catalog, worker.clock, _entropy)
    return office.work(Actor(ActorKind.ADMIN, "root"))


def operate(gateway, fn, *args):
    """Run an operation as an admin and let the gateway see it."""
    worker = gateway.worker
    result = worker.store.db.run_write(fn, work(gateway), *args)
    gateway.run(worker.directory.refresh())
    return result


def _entropy(count):
    return time.time_ns().to_bytes(8, "big").rjust(count, b"\0")[:count]


def own_key(gateway):
    callers = [each.caller for each in gateway.worker.directory.current.keys.values()]
    return next(each.key.id for each in callers if each.key.name == "main")
