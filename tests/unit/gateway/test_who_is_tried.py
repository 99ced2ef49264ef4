"""Whoever is tried, as a fallback, beside another or to go on with an answer, is of the plan, and keeps its policy."""

from dataclasses import replace
from random import Random

from clocks import ManualClock
from smartoken.catalog.offers import DataPolicy, Model, Offer
from smartoken.errors import FailureClass
from smartoken.gateway.call import Plan, Target
from smartoken.gateway.pools import Pools
from smartoken.gateway.queue import Queue, Retries
from smartoken.operations.served import ServedModel, ServedOffer
from smartoken.providers.failures import Failure
from smartoken.providers.setup import ProviderSetup, UpstreamKey
from smartoken.routing.routes import Options, decide
from smartoken.store.vault import Secret
from unit.routing.routing_worlds import given, offers, random_plan

MODEL = ServedModel(Model("test/alpha", "Alpha", "test", "test", 1_000, 100), None, "v1", ())
KINDS = list(FailureClass)


def served(name, region):
    """Return an offer in a region, with two keys."""
    keys = tuple(UpstreamKey(f"{name}-{number}", f"k{number}", Secret("made up")) for number in (1, 2))
    offer = Offer(name, "test/alpha", name, "alpha-up", None, policy=DataPolicy(region=region))
    return ServedOffer(offer, ProviderSetup(name, "deepseek", "http://127.0.0.1:1/v1", keys), None)


def tried_of(chance, plan, pools):
    """Walk a call by chance: attempts fail, get company, or are gone on with; yield every target that is sent to."""
    queue = Queue(plan, pools, Retries())
    for target in queue:
        pools.begin(target.offer, target.key)
        yield "in turn", target
        if chance.random() < 0.6:
            second = queue.beside()
            if second is not None:
                yield "beside", second
        pools.end(target.offer, target.key)
        fate = chance.random()
        if fate < 0.2:
            return
        if fate < 0.5:  # it broke off after content: whoever is left may go on
            while not queue.used_up and (left := next(iter(queue), None)) is not None:
                yield "goes on", left
            return
        failure = Failure(chance.choice(KINDS), "by chance")
        pools.breakers.failed((target.offer.offer.id, target.key.id), failure.kind, 1000.0, None)
        if queue.failed(target, failure) is None:
            return


def test_regions_sg_is_never_broken_in_10_000_random_plans_fallbacks_hedges_and_continuations():
    chance, seen = Random(20261126), {"in turn": 0, "beside": 0, "goes on": 0}
    for _ in range(10_000):
        split, regions, needs, view = random_plan(chance)
        decision = decide(split, offers(**regions), given(needs, view))
        if not decision.order:
            continue
        pools = Pools(ManualClock())
        targets = []
        for each in decision.order:
            offer = served(each.offer, regions[each.offer])
            targets.append(Target(offer, offer.provider.keys[0], {}))
        options = Options(max_attempts=chance.randint(2, 8), retries=chance.randint(0, 2), hedge=True)
        plan = Plan(MODEL, tuple(targets), (), None, options=options)
        tried = list(tried_of(chance, plan, pools))
        for how, target in tried:
            assert target.offer.offer.policy.region == "sg"
            assert target.key in target.offer.provider.keys
            seen[how] += 1
        assert len(tried) <= options.max_attempts
    assert min(seen.values()) > 250, seen  # enough of each for the rule to have been at stake


def test_a_target_that_was_taken_for_company_and_not_tried_is_next_again():
    pools, made = Pools(ManualClock()), [served(name, "sg") for name in "abc"]
    plan = Plan(MODEL, tuple(Target(each, each.provider.keys[0], {}) for each in made), (), None, options=Options())
    queue = Queue(plan, pools, Retries())
    assert next(iter(queue)).offer is made[0]
    second = queue.beside()
    assert second.offer is made[1]
    queue.put_back(second)
    assert [each.offer for each in queue] == made[1:]


def test_an_offer_that_rests_or_is_full_gets_no_second_attempt_and_stays_for_its_turn():
    pools, made = Pools(ManualClock()), [served(name, "sg") for name in "abc"]
    for key in made[1].provider.keys:
        pools.breakers.failed(("b", key.id), FailureClass.KEY_BROKE, 1000.0, None)
    plan = Plan(MODEL, tuple(Target(each, each.provider.keys[0], {}) for each in made), (), None, options=Options())
    queue = Queue(plan, pools, Retries())
    assert next(iter(queue)).offer is made[0]
    assert queue.beside().offer is made[2]
    assert queue.beside() is None
    assert [each.offer for each in queue] == [made[1]]  # the last one left is tried all the same


def test_no_second_attempt_is_made_past_the_routes_attempts():
    pools, made = Pools(ManualClock()), [served(name, "sg") for name in "ab"]
    targets = tuple(Target(each, each.provider.keys[0], {}) for each in made)
    queue = Queue(Plan(MODEL, targets, (), None, options=Options(max_attempts=1)), pools, Retries())
    next(iter(queue))
    assert queue.used_up
    assert queue.beside() is None


def test_a_key_that_others_filled_since_the_plan_is_passed_over():
    """Thirty calls planned at once, while money was held, all named the one key; it carries one."""
    pools = Pools(ManualClock())
    keys = (UpstreamKey("a", "a", Secret("made up"), concurrency=1), UpstreamKey("b", "b", Secret("made up"), rpm=3))
    spare = UpstreamKey("c", "c", Secret("made up"))
    offer = served("up", "sg")
    offer = replace(offer, provider=replace(offer.provider, dialect="openai", keys=(*keys, spare)))
    plans = [Plan(MODEL, (Target(offer, keys[0], {}),), (), None) for _ in range(30)]
    used = []
    for plan in plans:
        target = next(iter(Queue(plan, pools, Retries())))
        pools.begin(target.offer, target.key)
        used.append(target.key.id)
    assert [used.count(each) for each in "abc"] == [1, 3, 26]
