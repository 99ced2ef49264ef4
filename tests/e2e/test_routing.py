"""Routes on the real path: two upstreams, named routes, models in a row, and what a call may ask of its route."""

import json
import time

import httpx2
import pytest

from e2e.routed import SIMPLE, attempts, call, gateway, operate
from smartoken.operations import named_routes, routes
from smartoken.routing.breakers import TRIP_FAILURES

__all__ = ["gateway"]


def test_every_attempt_is_on_the_call_with_its_reason(gateway):
    answer = call(gateway, "test/shy")
    assert answer.status_code == 200
    assert answer.headers["x-smartoken-attempts"] == "2"
    first, second = attempts(gateway, answer)
    assert (first["failure"], second["failure"]) == ("provider_capacity", None)
    assert first["why"].startswith("priority 1: ")
    assert second["why"].startswith("priority 2: ")


def test_a_published_route_moves_calls_and_undoing_moves_them_back(gateway):
    offers = [each.offer.id for each in gateway.worker.directory.current.models["test/split"].offers]
    definition = {"tiers": [{"offers": [{"offer": name, "share": 50} for name in offers]}]}
    directory = gateway.worker.directory.current
    drafted = operate(gateway, routes.draft, directory, {"model": "test/split", "route": definition})
    operate(gateway, routes.publish, directory, drafted["id"])
    served = [attempts(gateway, call(gateway, "test/split"))[0]["offer"] for _ in range(8)]
    assert [served.count(name) for name in offers] == [4, 4]
    operate(gateway, routes.take_back, drafted["id"])
    assert {attempts(gateway, call(gateway, "test/split"))[0]["offer"] for _ in range(4)} == {offers[0]}


def test_a_named_route_switches_a_model_without_a_deploy_and_falls_back(gateway):
    wanted = {"account": "acme", "model": "test/single", "fallbacks": ["test/answers"]}
    operate(gateway, named_routes.put, gateway.worker.directory.current, "support-replies", wanted)
    answer = call(gateway, "@support-replies")
    assert answer.status_code == 200
    assert answer.json()["model"] == "@support-replies"
    record = gateway.records(answer.headers["x-request-id"])[0]
    assert (record["model_asked"], record["model"]) == ("@support-replies", "test/answers")
    assert call(gateway, "@nobody-has-this").status_code == 404


def test_models_are_tried_in_order_each_at_its_own_price(gateway):
    answer = call(gateway, "test/single", models=["test/answers"])
    assert answer.status_code == 200
    record = gateway.records(answer.headers["x-request-id"])[0]
    assert record["model"] == "test/answers"
    assert record["charge_nano"] == record["prompt_tokens"] * 1000 + record["completion_tokens"] * 2000
    assert [json.loads(record["attempts"])[place]["failure"] for place in (0, 1)] == ["provider_capacity", None]


def test_a_model_that_the_money_does_not_cover_is_passed_over_and_named(gateway):
    secret = gateway.add_key(f"small-{time.time_ns()}")
    gateway.add_budget(list(gateway.keys)[-1], 5_000_000)
    body = {"model": "test/single", "models": ["test/dear", "test/answers"], **SIMPLE}
    headers = {"authorization": f"Bearer {secret}"}
    answer = httpx2.post(f"{gateway.base_url}/chat/completions", json=body, headers=headers, timeout=20)
    assert answer.status_code == 200, answer.text
    record = gateway.records(answer.headers["x-request-id"])[0]
    assert record["model"] == "test/answers"
    assert "test/dear: " in record["evidence"]


def test_a_model_that_is_named_again_is_tried_once(gateway):
    answer = call(gateway, "test/single", models=["Test/Single", "test/answers", "test/answers"])
    assert answer.status_code == 200, answer.text
    attempts = json.loads(gateway.records(answer.headers["x-request-id"])[0]["attempts"])
    alone = call(gateway, "test/single", models=["test/answers"])
    assert len(attempts) == len(json.loads(gateway.records(alone.headers["x-request-id"])[0]["attempts"]))


def test_a_stream_that_waited_for_the_first_model_is_answered_by_the_second(gateway):
    answer = call(gateway, "test/single", stream=True, models=["test/answers"])
    assert answer.text.endswith("data: [DONE]\n\n")


def test_when_no_model_answers_the_error_is_the_last_ones_and_nothing_is_charged(gateway):
    answer = call(gateway, "test/single", models=["test/single", "test/gone"])
    assert answer.status_code == 503
    record = gateway.records(answer.headers["x-request-id"])[0]
    assert record["charge_nano"] == 0
    assert record["evidence"] == "not tried: test/gone: model_not_found"


def test_what_names_a_client_asked_for_is_kept_as_one_short_line(gateway):
    names = [f"test/gone\0{number}" + "\n" + "x" * 80 for number in range(4)]
    answer = call(gateway, "test/single", models=names)
    assert answer.status_code == 503
    evidence = gateway.records(answer.headers["x-request-id"])[0]["evidence"]
    assert evidence.startswith("not tried: test/gone0xxx")
    assert evidence.isprintable()
    assert len(evidence) <= 200


REFUSED = [
    ({"provider": {"quantizations": ["fp8"]}}, "provider.quantizations"),
    ({"provider": {"max_price": {"prompt": 1}}}, "provider.max_price"),
    ({"provider": {"sort": "throughput"}}, "provider.sort"),
    ({"provider": {"wings": True}}, "provider.wings"),
    ({"provider": {"sort": {"by": "price"}}}, "provider.sort"),
    ({"provider": {"data_collection": ["deny"]}}, "provider.data_collection"),
    ({"provider": []}, "provider"),
    ({"models": []}, "models"),
    ({"route": "other"}, "route"),
    ({"session_id": 7}, "session_id"),
]


@pytest.mark.parametrize(("more", "param"), REFUSED)
def test_what_cannot_be_kept_of_openrouters_fields_is_refused_by_name(gateway, more, param):
    answer = call(gateway, "test/pair", **more)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


def test_the_call_may_order_and_bar_providers(gateway):
    first, second = (each.provider.id for each in gateway.worker.directory.current.models["test/pair"].offers)
    ordered = call(gateway, "test/pair", provider={"order": [second]})
    assert ordered.headers["x-smartoken-provider"] == second
    assert call(gateway, "test/pair", provider={"ignore": [first]}).headers["x-smartoken-provider"] == second
    refused = call(gateway, "test/pair", provider={"only": ["nobody"]})
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "no_compliant_route"
    assert len(refused.json()["error"]["excluded"]) == 2


def test_data_collection_denied_leaves_out_whoever_may_train(gateway):
    refused = call(gateway, "test/pair", provider={"data_collection": "deny"})
    assert refused.json()["error"]["code"] == "no_compliant_route"
    assert all("unknown" in each for each in refused.json()["error"]["excluded"])


def test_an_offer_that_fails_again_and_again_rests_and_the_last_resort_still_asks_it(gateway):
    for _ in range(TRIP_FAILURES):
        assert call(gateway, "test/single").status_code == 503
    (row,) = gateway.worker.desk.breakers()
    assert row.cause == "provider_capacity"
    last = call(gateway, "test/single")
    assert last.status_code == 503
    assert len(attempts(gateway, last)) == 1


def test_changes_of_breakers_are_stored_and_counted(gateway):
    for _ in range(TRIP_FAILURES):
        call(gateway, "test/single")
    until = time.monotonic() + 5
    rows = []
    while not rows and time.monotonic() < until:
        rows = gateway.worker.store.db.run_read(lambda conn: conn.exec_driver_sql("SELECT * FROM breaker_events").all())
        time.sleep(0.1)
    assert rows
    metrics = httpx2.get(f"{gateway.address}/metrics").text
    assert 'smartoken_breaker_transitions_total{cause="provider_capacity",state="open"}' in metrics


def test_one_real_call_tells_whether_a_provider_key_works(gateway):
    directory = gateway.worker.directory.current
    works = gateway.run(gateway.worker.desk.test_key(directory, "up1-answers-test", "main"))
    assert works["ok"]
    assert works["usage"]["completion_tokens"] > 0
    assert float(works["cost"]) > 0
    fails = gateway.run(gateway.worker.desk.test_key(directory, "up1-single-test", "main"))
    assert (fails["ok"], fails["failure"], fails["status"]) == (False, "provider_capacity", 503)
