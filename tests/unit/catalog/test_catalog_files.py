"""A catalog folder as a whole: each way in which its files can contradict each other is refused by file and line."""

import pytest

from smartoken.catalog.files import read_catalog
from smartoken.catalog.strict import CatalogError

PROVIDER = """\
name = "One"
name_zh = "一"
dialect = "openai"
default_region = "intl"
key_url = "https://one.test/keys"
[[key]]
env = "ONE_API_KEY"
region = "intl"
[[region]]
id = "intl"
base_url = "https://api.one.test/v1"
location = "somewhere"
currency = "USD"
aliases = ["world"]
[[region]]
id = "cn"
base_url = "https://api.one.cn.test/v1"
location = "mainland China"
currency = "CNY"
"""
MODEL = """\
id = "one/alpha"
name = "Alpha"
family = "alpha"
vendor = "one"
status = "current"
description = "A model."
context = 1000
max_output = "unknown"
input = ["text"]
output = ["text"]
aliases = ["alpha-old"]
price = { list_of = "one" }
source = "https://one.test"
source_date = 2026-10-01
[abilities]
tools = true
json_mode = "unknown"
json_schema = false
vision = false
prefix = "unknown"
cache = "none"
[reasoning]
supported = false
"""
BETA = MODEL.replace("one/alpha", "one/beta").replace("alpha-old", "beta-old")
OFFER = """\
model = "one/alpha"
upstream_id = "alpha-up"
status = "current"
[price]
currency = "CNY"
region = "cn"
input = "1"
output = "2"
source = "https://one.test/prices"
source_date = "2026-10"
"""
FX = """\
[[rate]]
pair = "CNY/USD"
rate = "0.14"
valid_from = 2026-11-01
source = "test"
"""
SHELF = {
    "fx.toml": FX,
    "providers/one.toml": PROVIDER,
    "models/one/alpha.toml": MODEL,
    "offers/one/alpha.toml": OFFER,
}


def shelf(tmp_path, **changes):
    """Write a small right catalog, with files replaced or added; keys have ``__`` for slashes."""
    written = SHELF | {name.replace("__", "/") + ".toml": text for name, text in changes.items()}
    for name, text in written.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return tmp_path


def test_a_small_right_catalog_is_read(tmp_path):
    catalog, listed = read_catalog(shelf(tmp_path))
    assert listed == {"one/alpha": "one:alpha"}
    assert catalog.models["one/alpha"].max_output is None
    assert catalog.models["one/alpha"].aliases == ("alpha", "alpha-old", "alpha-up", "one/alpha-up")
    assert catalog.providers["one"].region("WORLD").id == "intl"
    assert catalog.offers["one:alpha"].policy_of_host


def test_a_sell_price_may_stand_in_the_file_itself(tmp_path):
    model = MODEL.replace('{ list_of = "one" }', '{ currency = "USD", input = "5", output = "6" }')
    catalog, listed = read_catalog(shelf(tmp_path, models__one__alpha=model))
    assert listed == {}
    assert catalog.models["one/alpha"].price.bands[0].output == 6_000_000


def test_a_model_that_is_no_longer_current_needs_no_offer(tmp_path):
    beta = BETA.replace('"current"', '"retired"\nreplaced_by = "one/alpha"').replace(
        'price = { list_of = "one" }', 'price = "unknown"\nprice_unknown = "retired"'
    )
    catalog, _ = read_catalog(shelf(tmp_path, models__one__beta=beta))
    assert catalog.models["one/beta"].replaced_by == "one/alpha"


def test_a_bare_upstream_id_that_two_models_share_means_neither(tmp_path):
    changes = {"models__one__beta": BETA, "offers__one__beta": OFFER.replace("one/alpha", "one/beta")}
    catalog, _ = read_catalog(shelf(tmp_path, **changes))
    assert catalog.resolve("alpha-up") is None
    assert catalog.resolve("one/alpha-up") is None
    assert catalog.resolve("beta")[0].id == "one/beta"


TWO = OFFER.replace("[price]", "tier = 2\nshare = 40\n[price]")
SECOND = PROVIDER.replace("ONE_API_KEY", "TWO_API_KEY")
BAD = [
    (
        {"models__one__alpha": MODEL.replace("one/alpha", "one/gamma")},
        "models/one/alpha.toml:1: `id` must be one/alpha",
    ),
    ({"models__one__Alpha": MODEL}, "models/one/Alpha.toml:1: `id` must be one/alpha"),
    ({"models__one__alpha": MODEL + "speed = 1\n"}, "models/one/alpha.toml:24: unknown key `speed`"),
    ({"models__one__alpha": MODEL.replace("1000", "0")}, "models/one/alpha.toml:7: `context` must be from 1"),
    ({"models__one__alpha": MODEL.replace("context = 1000\n", "")}, "models/one/alpha.toml:1: missing key `context`"),
    (
        {"models__one__alpha": MODEL.replace('["text"]\noutput', '["smell"]\noutput')},
        "alpha.toml:9: `input` must name some",
    ),
    ({"models__one__alpha": MODEL.replace("tools = true\n", "")}, "models/one/alpha.toml:15: missing key `tools`"),
    ({"models__one__alpha": MODEL.replace('"none"', '"maybe"')}, "models/one/alpha.toml:21: `cache` must be one of"),
    (
        {"models__one__alpha": MODEL.replace("supported = false", "supported = true")},
        "alpha.toml:22: missing key `can_dis",
    ),
    (
        {"models__one__alpha": MODEL.replace('{ list_of = "one" }', '"free"')},
        "alpha.toml:12: `price` must be one of unknown",
    ),
    (
        {"models__one__alpha": MODEL.replace('{ list_of = "one" }', '"unknown"')},
        "alpha.toml:1: missing key `price_unknown`",
    ),
    (
        {"models__one__alpha": MODEL.replace('of = "one"', 'of = "two"')},
        "alpha.toml:12: `list_of`: two has no priced offer",
    ),
    ({"models__one__alpha": MODEL.replace('"current"', '"dead"')}, "models/one/alpha.toml:5: `status` must be one of"),
    (
        {"models__one__alpha": MODEL.replace("2026-10-01", '"October"')},
        "models/one/alpha.toml:14: `source_date` must be",
    ),
    (
        {"models__one__alpha": 'replaced_by = "one/zeta"\n' + MODEL},
        "alpha.toml:1: `replaced_by`: there is no models/one/zeta",
    ),
    ({"models__one__beta": BETA}, "models/one/beta.toml:5: a current model needs an offer"),
    (
        {
            "models__one__beta": BETA.replace("beta-old", "alpha-old"),
            "offers__one__beta": OFFER.replace("alpha", "beta"),
        },
        "models/one/beta.toml:1: the name 'alpha-old' is taken by another model",
    ),
    (
        {
            "models__one__beta": BETA.replace("beta-old", "one/alpha"),
            "offers__one__beta": OFFER.replace("alpha", "beta"),
        },
        "models/one/beta.toml:1: the name 'one/alpha' is taken by another model",
    ),
    (
        {"offers__one__alpha": OFFER.replace("one/alpha", "one/delta")},
        "alpha.toml:1: `model`: there is no models/one/delta",
    ),
    ({"offers__two__alpha": OFFER}, "offers/two/alpha.toml:1: there is no providers/two.toml"),
    ({"offers__one__again": OFFER.replace("[price]", "tier = 2\n[price]")}, "one has a second offer of one/alpha"),
    (
        {"providers__two": SECOND, "offers__two__alpha": OFFER},
        "offers/one/alpha.toml:1: shares of one/alpha in tier 1 add to 200, not 100",
    ),
    (
        {"providers__two": SECOND, "offers__two__alpha": TWO},
        "offers/two/alpha.toml:1: shares of one/alpha in tier 2 add to 40, not 100",
    ),
    ({"offers__one__alpha": OFFER.replace('"cn"', '"moon"')}, "a price names region 'moon'; one has ['cn', 'intl']"),
    (
        {"offers__one__alpha": OFFER.replace('source = "https://one.test/prices"\n', "")},
        "alpha.toml:4: missing key `source`",
    ),
    ({"offers__one__alpha": OFFER.replace('source_date = "2026-10"\n', "")}, "alpha.toml:4: missing key `source_date`"),
    ({"offers__one__alpha": OFFER.replace('"1"', "1.0")}, "offers/one/alpha.toml:7: `input` is a float"),
    (
        {"offers__one__alpha": OFFER.replace("[price]", "[policy]\ntrains = true\n[price]")},
        "alpha.toml:4: missing key `region`",
    ),
    (
        {"providers__one": PROVIDER.replace('= "intl"\nkey', '= "eu"\nkey')},
        "one.toml:4: `default_region` must be one of",
    ),
    (
        {"providers__one": PROVIDER.replace('region = "intl"\n[[', 'region = "eu"\n[[')},
        "one.toml:8: `region` must be one of",
    ),
    (
        {"providers__one": PROVIDER.replace("ONE_API_KEY", "one_key")},
        "providers/one.toml:7: `env` must be a name in capitals",
    ),
    (
        {"providers__one": PROVIDER.replace("https://api.one.test/v1", "http://x")},
        "one.toml:11: `base_url` must start with",
    ),
    (
        {"providers__one": PROVIDER.replace("one.test/v1", "one.test/v1/")},
        "one.toml:11: `base_url` must start with https",
    ),
    (
        {"providers__one": PROVIDER.replace('["world"]', '["cn"]')},
        "providers/one.toml:9: two regions share an id or an alias",
    ),
    ({"providers__one": PROVIDER.partition("[[region]]")[0]}, "one.toml:1: a provider needs at least one [[region]]"),
    ({"fx": FX.replace("CNY/USD", "CNY-USD")}, "fx.toml:2: `pair` must be two currencies"),
    ({"fx": FX.replace("2026-11-01", "2026-13-01")}, "fx.toml:4: not TOML"),
]


@pytest.mark.parametrize(("changes", "part"), BAD, ids=[f"{i}:{row[1][:40]}" for i, row in enumerate(BAD)])
def test_files_that_contradict_each_other_are_refused_by_name(tmp_path, changes, part):
    with pytest.raises(CatalogError) as caught:
        read_catalog(shelf(tmp_path, **changes))
    assert part in str(caught.value)
