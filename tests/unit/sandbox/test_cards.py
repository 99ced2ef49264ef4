import pytest

from smartoken.sandbox.cards import CARDS, HIDDEN, SHOWN, Fault, UnknownCardError, Usage, card_for, healed, spared

PUBLIC = (
    "echo slow rate-limited overloaded out-of-credit cut-mid-stream stalls malformed-stream no-usage content-filter "
    "truncated-json tool-call reasoning worst-case"
).split()


def test_the_cards_of_the_interface_are_all_there():
    assert list(SHOWN) == PUBLIC
    assert not set(SHOWN) & set(HIDDEN)


@pytest.mark.parametrize("name", CARDS)
def test_every_card_is_found_with_and_without_the_prefix(name):
    assert card_for(name, posing=False) is card_for(f"sandbox/{name}", posing=False)
    assert card_for(name, posing=False).name == name


KNOBS = [
    ("echo?tokens=200&first_ms=50&pace_ms=5", {"tokens": 200, "first_ms": 50, "pace_ms": 5}),
    ("echo?cut_after=3", {"after": 3, "fault": Fault.CUT}),
    ("stalls?cut_after=2", {"after": 2, "fault": Fault.STALL}),
    ("echo?chance=0.5", {"chance": 500_000}),
    ("echo?chance=1", {"chance": 1_000_000}),
    ("echo?chance=0.000001", {"chance": 1}),
    ("echo?obeys_limit=false", {"obeys_limit": False}),
    ("echo?usage=twice", {"usage": Usage.TWICE}),
    ("content-filter?fail=", {"fail": ""}),
    ("rate-limited?retry_after=", {"retry_after": ""}),
    ("echo?text=a%20b", {"text": "a b"}),
]


@pytest.mark.parametrize(("model", "knobs"), KNOBS)
def test_knobs_change_the_card(model, knobs):
    card = card_for(model, posing=False)
    assert {name: getattr(card, name) for name in knobs} == knobs


@pytest.mark.parametrize(
    "model",
    [
        "echo?nonsense=1",
        "echo?tokens=many",
        "echo?name=x",
        "echo?usage=odd",
        "echo?obeys_limit=2",
        "echo?tokens=1e9",
        f"echo?tokens={10**13}",
        "echo?fault=flood",
    ],
)
def test_a_misspelt_knob_fails_loudly(model):
    with pytest.raises(UnknownCardError) as caught:
        card_for(model, posing=False)
    assert not caught.value.missing


def test_an_unknown_name_is_a_missing_model_unless_a_vendor_is_posed_as():
    with pytest.raises(UnknownCardError) as caught:
        card_for("kimi-k3", posing=False)
    assert caught.value.missing
    assert card_for("kimi-k3?tokens=4", posing=True).name == "model"


@pytest.mark.parametrize("model", ["kimi-missing", "no-such-model", "definitely-not-a-real-model", "nonexistent"])
def test_a_vendor_has_no_model_that_says_so(model):
    with pytest.raises(UnknownCardError):
        card_for(model, posing=True)


def test_a_chance_is_kept_over_many_requests_and_the_same_every_time():
    card = card_for("overloaded?chance=0.3", posing=False)
    escaped = [spared(card, 1, each) for each in range(20_000)]
    assert 0.69 < sum(escaped) / len(escaped) < 0.71
    assert escaped[:100] == [spared(card, 1, each) for each in range(100)]
    assert escaped[:100] != [spared(card, 2, each) for each in range(100)]


@pytest.mark.parametrize("name", CARDS)
def test_a_healed_card_breaks_nothing(name):
    card = healed(CARDS[name])
    assert (card.fail, card.fault, card.usage, card.write_bytes) == ("", Fault.NONE, Usage.RIGHT, 0)


def test_the_slow_card_takes_two_seconds_to_its_first_token():
    assert SHOWN["slow"].first_ms == 2000
