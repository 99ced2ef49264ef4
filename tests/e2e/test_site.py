"""The site as the gateway serves it: beside the planes, over the real store, with what the worker knows at present."""

import json
import re
import urllib.error
import urllib.request

import pytest

from browser.served import served


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("site")


@pytest.fixture(scope="module")
def address(place):
    with served(place) as found:
        yield found


def ask(address, path):
    try:
        with urllib.request.urlopen(address + path, timeout=30) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.headers, refused.read().decode()


def test_every_page_of_the_site_map_is_served(address):
    paths = re.findall(r"<loc>http://[^/]*([^<]*)</loc>", ask(address, "/sitemap.xml")[2])
    assert len(paths) > 200
    assert {path: status for path in paths if (status := ask(address, path)[0]) != 200} == {}


def test_the_planes_keep_their_own_addresses(address):
    assert ask(address, "/healthz")[0] == 200
    assert json.loads(ask(address, "/v1/nope")[2])["error"]["code"] == "endpoint_not_supported"
    assert json.loads(ask(address, "/api/openapi.json")[2])["info"]["title"] == "SmarToken control API"


def test_an_errors_own_link_leads_to_its_page(address):
    request = urllib.request.Request(f"{address}/v1/models", headers={"authorization": "Bearer sk-st-no"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    link = json.loads(refused.value.read())["error"]["doc_url"]
    assert ask("" if link.startswith("http") else address, link)[0] == 200


def test_the_status_names_what_answers_here(address):
    _, _, page = ask(address, "/status")
    assert "Taking calls." in page
    models = json.loads(ask(address, "/status.json")[2])["models"]
    assert {"sandbox/echo"} <= {each["id"] for each in models}
    assert all(each["routes"] >= each["resting"] for each in models)
    assert all(each["routes"] >= 1 for each in models)


def test_a_models_page_shows_since_when_its_price_holds_here(address):
    assert "Price history on this server" in ask(address, "/models/sandbox/echo")[2]


def test_the_model_list_and_the_interface_name_the_same_models(address):
    listed = {each["id"] for each in json.loads(ask(address, "/models.json?older=1")[2])["data"]}
    assert "sandbox/echo" in listed
    assert len(listed) > 100


def called(address, key, card):
    """The status of a call to a test card."""
    body = json.dumps({"model": f"sandbox/{card}", "messages": [{"role": "user", "content": "Hello"}]}).encode()
    head = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    request = urllib.request.Request(f"{address}/v1/chat/completions", data=body, headers=head)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        return refused.code


def test_a_card_that_breaks_its_key_leaves_the_other_cards_well(address, place):
    key = (place / "demo-key").read_text().strip()
    assert called(address, key, "out-of-credit") == 502
    assert called(address, key, "rate-limited") == 503
    assert called(address, key, "echo") == 200
    resting = {each["id"] for each in json.loads(ask(address, "/status.json")[2])["models"] if each["resting"]}
    assert "sandbox/out-of-credit" in resting
    assert "sandbox/echo" not in resting
