"""The openai SDK for Node through the gateway to a real model: content, usage and charge."""

import json
from dataclasses import dataclass
from decimal import Decimal

import pytest

from clients.scripts import run_script
from real.conftest import Product

pytestmark = pytest.mark.full
INPUT, OUTPUT = Decimal("0.000001"), Decimal("0.000002")


@dataclass(frozen=True)
class Place:
    """What the script is told of the gateway."""

    base_url: str
    key: str


@pytest.fixture(scope="module")
def seen(product: Product):
    """What each scene of the script saw; all of them run once."""
    place = Place(f"{product.address}/v1", product.key)
    return run_script("node", "real.mjs", place, GATEWAY_MODEL="real/smollm2")


def worth(usage):
    return usage["prompt_tokens"] * INPUT + usage["completion_tokens"] * OUTPUT


def test_a_whole_answer_is_right_and_costs_its_usage(product, seen):
    whole = seen["whole"]
    record = product.call(whole["id"])
    assert "Paris" in whole["message"]["content"]
    assert whole["model"] == "real/smollm2"
    assert record["usage_source"] == "reported"
    assert Decimal(whole["charge"]) == Decimal(record["charge_usd"]) == worth(whole["usage"]) > 0


def test_an_answer_without_a_limit_is_right_too(product, seen):
    natural = seen["natural"]
    assert "Paris" in natural["message"]["content"]
    assert Decimal(product.call(natural["id"])["charge_usd"]) == worth(natural["usage"])


def test_a_stream_says_the_same_and_ends_with_usage_and_charge(product, seen):
    streamed = seen["streamed"]
    assert streamed["text"] == seen["whole"]["message"]["content"]
    assert streamed["finish"] in ("stop", "length")
    record = product.call(streamed["id"])
    assert record["completion_tokens"] == streamed["usage"]["completion_tokens"] > 0
    assert Decimal(streamed["usage"]["charge_usd"]) == Decimal(record["charge_usd"]) == worth(streamed["usage"])


def test_json_mode_gives_json(seen):
    answer = seen["json"]
    assert answer["finish"] == "length" or isinstance(json.loads(answer["message"]["content"]), dict)


def test_a_named_tool_is_called(seen):
    (call,) = seen["tools"]["message"]["tool_calls"]
    assert call["function"]["name"] == "get_weather"
    assert call["id"]


def test_a_wrong_parameter_is_refused_by_its_name(seen):
    assert seen["refused"] == {"refused": True, "status": 400, "code": "invalid_request", "param": "max_tokens"}
