"""Routes over both stores: drafts, diff, publication, undoing, named routes, and the simulator over them."""

import pytest

from smartoken.errors import InvalidRequestError, ModelNotFoundError, NotFoundError, PermissionDeniedError
from smartoken.operations import named_routes, routes, simulate
from smartoken.operations.rights import Actor, ActorKind

SETUP = """
[[provider]]
id = "up1"
dialect = "openai"
base_url = "http://127.0.0.1:9101/v1"
allow_private = true
keys = [{ name = "main", secret = "made-up" }]
[[provider]]
id = "up2"
dialect = "openai"
base_url = "http://127.0.0.1:9102/v1"
allow_private = true
keys = [{ name = "main", secret = "made-up" }]

[[model]]
id = "test/alpha"
context = 32768
max_output = 4096
price = { currency = "USD", input = "1.00", output = "2.00" }
[[model.offer]]
provider = "up1"
upstream_model = "alpha"
[[model.offer]]
provider = "up2"
upstream_model = "alpha"
tier = 2
[[model]]
id = "test/beta"
context = 32768
max_output = 4096
price = { currency = "USD", input = "3.00", output = "4.00" }
[[model.offer]]
provider = "up2"
upstream_model = "beta"

[[account]]
id = "acme"
policy = { regions = ["sg"] }
[[account.key]]
name = "main"
environment = "staging"
[[account]]
id = "beta"
"""
FLIPPED = {"tiers": [{"offers": [{"offer": "up2:alpha", "share": 100}]}, {"offers": [{"offer": "up1:alpha"}]}]}
IMAGINED = {
    "model": "test/alpha", "key": None, "environment": "", "needs": [], "prompt_tokens": 0, "regions": [],
    "no_training": False, "provider": None, "session": None, "turn": 0, "route": None,
}  # fmt: skip


@pytest.fixture
def shop(room):
    """A room with two models and two providers."""
    room.apply(SETUP)
    return room


def drafted(shop, definition=FLIPPED, model="test/alpha"):
    return shop.write(routes.draft, shop.directory, {"model": model, "route": definition, "note": "a reason"})


def where(shop, **more):
    """Return the order of an imagined call."""
    return shop.read(simulate.simulate, shop.directory, simulate.AllWell(), {**IMAGINED, **more})


def tried(shop, **more):
    return [each["offer"] for each in where(shop, **more)["order"]]


def offer_ids(shop, model="test/alpha"):
    return [each.offer.id for each in shop.directory.models[model].offers]


def test_a_draft_counts_only_once_it_is_published_and_undoing_puts_back_what_stood_before(shop):
    first, second = offer_ids(shop)
    flipped = {"tiers": [{"offers": [{"offer": second}]}, {"offers": [{"offer": first}]}]}
    made = drafted(shop, flipped)
    assert tried(shop) == [first, second]
    changes = shop.read(routes.diff, shop.directory, made["id"])["changes"]
    assert {"name": f"priority 1: share of {first}", "before": 100, "after": None} in changes
    published = shop.write(routes.publish, shop.directory, made["id"])
    assert published["state"] == "published"
    assert tried(shop) == [second, first]
    undone = shop.write(routes.take_back, made["id"])
    assert tried(shop) == [first, second]
    assert undone["undoes"] == made["id"]
    shop.write(routes.take_back, undone["id"])
    assert tried(shop) == [second, first]


def test_only_what_is_in_force_can_be_undone(shop):
    first, second = offer_ids(shop)
    one, two = (drafted(shop, {"tiers": [{"offers": [{"offer": name}]}]})["id"] for name in (first, second))
    shop.write(routes.publish, shop.directory, one)
    shop.write(routes.publish, shop.directory, two)
    with pytest.raises(InvalidRequestError, match="no longer in force"):
        shop.write(routes.take_back, one)
    shop.write(routes.take_back, two)
    assert tried(shop) == [first]


def test_a_publication_never_changes_and_a_draft_may(shop):
    first, _ = offer_ids(shop)
    made = drafted(shop, {"tiers": [{"offers": [{"offer": first}]}]})
    changed = shop.write(routes.change, shop.directory, made["id"], {"note": "another reason"})
    assert changed["note"] == "another reason"
    shop.write(routes.publish, shop.directory, made["id"])
    with pytest.raises(InvalidRequestError, match="never changes"):
        shop.write(routes.change, shop.directory, made["id"], {"note": "too late"})
    with pytest.raises(InvalidRequestError, match="never changes"):
        shop.write(routes.drop, made["id"])


WRONG = [
    ({"tiers": []}, "tiers"),
    ({"tiers": [{"offers": []}]}, "tiers[0].offers"),
    ({"tiers": [{"offers": [{"offer": "up1:alpha", "share": 60}]}]}, "tiers[0].offers"),
    ({"tiers": [{"offers": [{"offer": "nobody:alpha"}]}]}, "tiers[0].offers"),
    ({"tiers": [{"offers": [{"offer": "up1:alpha", "weight": 1}]}]}, "tiers[0].offers[0].weight"),
    ({"tiers": [{"offers": [{"offer": "up1:alpha"}], "strategy": "luck"}]}, "tiers[0].strategy"),
    ({"tiers": [{"offers": [{"offer": "up1:alpha"}], "strategy": ["price"]}]}, "tiers[0].strategy"),
    (
        {"tiers": [{"offers": [{"offer": "up1:alpha"}], "when": {"min_prompt_tokens": 2**64}}]},
        "tiers[0].when.min_prompt_tokens",
    ),
    ({"tiers": [{"offers": [{"offer": "up1:alpha"}], "when": {"needs": ["wings"]}}]}, "tiers[0].when.needs"),
    ({"tiers": [{"offers": [{"offer": "up1:alpha"}]}], "options": {"max_attempts": 0}}, "options.max_attempts"),
    ({"tiers": [{"offers": [{"offer": "up1:alpha"}]}], "options": {"hedge": 1}}, "options.hedge"),
    ({"tiers": [{"offers": [{"offer": "x"}]}, {"offers": [{"offer": "x"}]}]}, "tiers[1].offers"),
    ({"levels": []}, "route.levels"),
]


@pytest.mark.parametrize(("definition", "param"), WRONG)
def test_a_route_that_is_wrong_is_refused_with_the_field_named(shop, definition, param):
    with pytest.raises(InvalidRequestError) as refused:
        drafted(shop, definition)
    assert refused.value.param == param


def test_a_route_of_a_model_that_is_not_here_is_refused(shop):
    with pytest.raises(ModelNotFoundError):
        drafted(shop, model="test/gone")


def test_every_step_is_in_the_audit_log(shop):
    first, _ = offer_ids(shop)
    made = drafted(shop, {"tiers": [{"offers": [{"offer": first}]}]})
    shop.write(routes.publish, shop.directory, made["id"])
    shop.write(routes.take_back, made["id"])
    shop.write(named_routes.put, shop.directory, "support", {"account": "acme", "model": "test/alpha"})
    entries = shop.ask("GET", "/api/v1/admin/audit?limit=50").body["data"]
    actions = [each["action"] for each in entries]
    assert actions.count("route.publish") == 2
    assert {"route.draft", "named_route.set"} <= set(actions)


def test_the_simulator_names_every_offer_that_a_policy_excludes(shop):
    key = next(each.caller.key.id for each in shop.directory.keys.values())
    found = where(shop, key=key)
    assert found["order"] == []
    assert {each["because"] for each in found["excluded"]} == {"policy"}
    assert all("region unknown is not in sg" in each["why"] for each in found["excluded"])


def test_the_simulator_tries_a_route_that_nobody_drafted(shop):
    _, second = offer_ids(shop)
    assert tried(shop, route={"tiers": [{"offers": [{"offer": second}]}]}) == [second]


def test_a_named_route_is_switched_and_undone_without_losing_a_version(shop):
    put = shop.write(named_routes.put, shop.directory, "@support-replies", {"account": "acme", "model": "test/alpha"})
    assert (put["name"], put["version"]) == ("@support-replies", 1)
    wanted = {"account": "acme", "model": "TEST/beta", "fallbacks": ["test/alpha"]}
    assert shop.write(named_routes.put, shop.directory, "support-replies", wanted)["model"] == "test/beta"
    acme = next(each.id for each in shop.directory.accounts.values() if each.slug == "acme")
    assert shop.directory.named[acme, "support-replies"].fallbacks == ("test/alpha",)
    assert shop.write(named_routes.take_back, "support-replies", "acme")["model"] == "test/alpha"
    shop.write(named_routes.remove, "support-replies", "acme")
    assert (acme, "support-replies") not in shop.directory.named
    assert shop.write(named_routes.take_back, "support-replies", "acme")["model"] == "test/alpha"
    assert [each["version"] for each in shop.read(named_routes.history, "support-replies", "acme")] == [5, 4, 3, 2, 1]


def test_a_name_belongs_to_one_account(shop):
    shop.write(named_routes.put, shop.directory, "support", {"account": "acme", "model": "test/alpha"})
    other = next(each.id for each in shop.directory.accounts.values() if each.slug == "beta")
    member = Actor(ActorKind.MEMBER, "bob", other)
    assert shop.office.db.run_read(named_routes.listed, shop.work(member), None) == []
    with pytest.raises(PermissionDeniedError):
        shop.office.db.run_read(named_routes.listed, shop.work(member), "acme")
    with pytest.raises(NotFoundError):
        shop.read(named_routes.history, "support", "beta")


@pytest.mark.parametrize("name", ["", "@", "UP PER", "a/b", "-x", "x" * 64])
def test_a_name_that_is_no_name_is_refused(shop, name):
    with pytest.raises(InvalidRequestError):
        shop.write(named_routes.put, shop.directory, name, {"account": "acme", "model": "test/alpha"})


def test_the_whole_way_over_the_interface(shop):
    first, second = offer_ids(shop)
    body = {
        "model": "test/alpha",
        "route": {"tiers": [{"offers": [{"offer": second}]}, {"offers": [{"offer": first}]}]},
    }
    made = shop.ask("POST", "/api/v1/admin/routes/publications", body)
    assert made.status == 201
    place = f"/api/v1/admin/routes/publications/{made.body['id']}"
    assert shop.ask("GET", f"{place}/diff").body["changes"]
    assert shop.ask("POST", f"{place}/publish").body["state"] == "published"
    listed = shop.ask("GET", "/api/v1/admin/routes?model=test/alpha").body["data"]
    assert listed[0]["origin"] == "published"
    found = shop.ask("POST", "/api/v1/admin/routes/simulate", {"model": "test/alpha"})
    assert [each["offer"] for each in found.body["order"]] == [second, first]
    assert shop.ask("POST", f"{place}/undo").status == 200
    assert shop.ask("GET", "/api/v1/admin/routes/breakers").body == {"data": []}
    assert shop.ask("PUT", "/api/v1/named-routes/support", {"account": "acme", "model": "test/beta"}).status == 200
    assert shop.ask("GET", "/api/v1/named-routes?account=acme").body["data"][0]["name"] == "@support"
    refused = shop.ask("POST", "/api/v1/admin/providers/up1/keys/main/test")
    assert refused.status == 400
    assert "running server" in refused.body["error"]["message"]
