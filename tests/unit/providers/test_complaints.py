"""What providers say of money, keys, rates and load is read by the same tables that read the real thing."""

import orjson
import pytest

from smartoken.errors import FailureClass
from smartoken.providers.complaints import COMPLAINED, complaints
from smartoken.providers.failures import classify
from smartoken.providers.registry import DIALECTS

ROWS = [(name, kind, said) for name in sorted(DIALECTS) for kind in COMPLAINED for said in complaints(name, kind)]


@pytest.mark.parametrize(("name", "kind", "said"), ROWS, ids=lambda each: str(each)[:30])
def test_every_wording_of_every_dialect_is_of_the_class_that_it_stands_for(name, kind, said):
    orjson.loads(said.body)
    assert classify(DIALECTS[name], said.status, {}, said.body).kind is kind


@pytest.mark.parametrize("name", sorted(set(DIALECTS) - {"openai"}))
def test_every_dialect_has_its_own_words_for_money_and_rates(name):
    for kind in (FailureClass.KEY_BROKE, FailureClass.OWN_RATE_LIMIT):
        assert complaints(name, kind) is not complaints("openai", kind)


def test_money_is_not_told_by_402_alone():
    said = {name: complaints(name, FailureClass.KEY_BROKE)[0].status for name in DIALECTS}
    assert (said["qwen"], said["zhipu"], said["volcengine"], said["deepseek"]) == (400, 429, 403, 402)
