"""The set-up file is read strictly: what is wrong is named by file and line, with what to write instead."""

import re

import pytest

from smartoken.catalog.strict import CatalogError
from smartoken.identity.keys import mint
from smartoken.operations.setup_file import read_setup
from smartoken.operations.setup_items import Kind
from unit.operations.setups import ACCOUNT, FX, MODEL, PROVIDER, SITE, WHOLE

KEY = mint(bytes(range(32)))
ENVIRONMENT = {"UP1_KEY": "up-secret-one", "ACME_KEY": KEY}

# part of the file, what is replaced by what, and words that the refusal must hold beside the line of the new text
WRONG = [
    (PROVIDER, 'id = "up1"', 'id = "Up 1"', "lower-case"),
    (PROVIDER, 'id = "up1"', 'id = "sandbox"', "built in"),
    (PROVIDER, 'dialect = "openai"', 'dialect = "opnai"', "must be one of"),
    (PROVIDER, 'dialect = "openai"', "dialect = 1", "must be text"),
    (PROVIDER, 'base_url = "http://127.0.0.1:9101/v1"', 'base_url = "127.0.0.1:9101"', "base_url"),
    (PROVIDER, 'base_url = "http://127.0.0.1:9101/v1"', 'base_url = "ftp://host.test/v1"', "scheme"),
    (PROVIDER, 'base_url = "http://127.0.0.1:9101/v1"', 'base_url = "https://user:word@host.test/v1"', "password"),
    (PROVIDER, "allow_private = true", 'allow_private = "yes"', "true or false"),
    (PROVIDER, "timeouts = { connect_s = 5", "timeouts = { connect_s = 0", "from 1"),
    (PROVIDER, "timeouts = { connect_s = 5", "timeouts = { connect_s = 0.5", "float"),
    (PROVIDER, "timeouts = { connect_s = 5", "timeouts = { conect_s = 5", "did you mean `connect_s`"),
    (PROVIDER, 'secret = "env:UP1_KEY"', 'secret = "env:"', "env:NAME"),
    (PROVIDER, 'secret = "env:UP1_KEY"', 'secret = "two words"', "without blanks"),
    (PROVIDER, 'name = "main", secret', 'name = "ma/in", secret', "without a slash"),
    (PROVIDER, "rpm = 0", "rpm = -1", "from 0"),
    (PROVIDER, "allow_private = true", 'allow_private = true\nproxy = "socks5://p.test"', "`proxy`"),
    (PROVIDER, "allow_private = true", 'allow_private = true\nproxy = "http://u:p@p.test"', "HTTPS_PROXY"),
    (MODEL, 'id = "test/alpha"', 'id = "@alpha"', "letters, digits"),
    (MODEL, 'id = "test/alpha"', 'id = "sandbox/alpha"', "built in"),
    (MODEL, "context = 32768", "context = 0", "from 1"),
    (MODEL, "context = 32768", 'context = "32k"', "an integer"),
    (MODEL, "max_output = 4096", "max_output = 99999", "above `context`"),
    (MODEL, "max_output = 4096", "max_ouput = 4096", "did you mean `max_output`"),
    (MODEL, 'currency = "USD", input = "0.50"', 'currency = "CNY", input = "0.50"', "`cost`"),
    (MODEL, 'currency = "USD", input = "0.50"', 'currency = "EUR", input = "0.50"', "USD, CNY"),
    (MODEL, 'input = "0.50", cached', "input = 0.50, cached", "decimal string"),
    (MODEL, 'input = "0.50", cached', 'input = "-1", cached', "negative"),
    (MODEL, 'input = "0.50", cached', 'input = "0.1234567", cached', "decimal places"),
    (MODEL, 'output = "1.50" }', 'outptu = "1.50" }', "missing key `output`"),
    (MODEL, "share = 100", "share = 60", "add to 60, not 100"),
    (MODEL, "share = 100", "share = 60\nteir = 2", "unknown key `teir`"),
    (MODEL, "share = 100", "share = 101", "from 1 to 100"),
    (MODEL, "tier = 1", "tier = 0", "from 1"),
    (MODEL, 'upstream_model = "alpha-up"', "", "missing key `upstream_model`"),
    (MODEL, "tier = 1", 'tier = 1\ncancel = "stop"', "cancel, drain, no_bill"),
    (MODEL, "tier = 1", "tier = 1\npolicy = { trains = 1 }", "true or false"),
    (ACCOUNT, 'id = "acme"', 'id = "Acme Inc"', "lower-case"),
    (ACCOUNT, 'id = "acme"', 'id = "demo"', "built in"),
    (ACCOUNT, 'owner_email = "ops@acme.test"', 'owner_email = "ops"', "address such as"),
    (ACCOUNT, 'timezone = "UTC"', 'timezone = "Berlin"', "IANA"),
    (ACCOUNT, 'billing = "prepaid"', 'billing = "postpaid"', "prepaid, open"),
    (ACCOUNT, 'billing = "prepaid"', 'billing = "prepaid"\ncredit_limit = "5"', 'billing = "open"'),
    (ACCOUNT, 'balance = "10.00"', "balance = 10", 'write balance = "10"'),
    (ACCOUNT, 'balance = "10.00"', 'balance = "-1"', "0 or more"),
    (ACCOUNT, 'balance = "10.00"', 'balance = "1e3"', "decimal string"),
    (ACCOUNT, 'limit = "50.00", period = "month"', 'limit = "50.00", period = "year"', "total, day, week, month"),
    (ACCOUNT, 'period = "month" }', 'period = "month" }, { limit = "1", period = "month" }', "two budgets"),
    (ACCOUNT, "regions = []", 'regions = ["EU"]', "lower-case codes"),
    (ACCOUNT, 'name = "staging"', 'name = "stag/ing"', "slash"),
    (ACCOUNT, 'budget = "1.00"', 'budget = "-1.00"', "0 or more"),
    (ACCOUNT, 'period = "total"', 'period = "year"', "total, day, week, month"),
    (ACCOUNT, 'models = ["test/*"]', 'models = "test/*"', "a list of text"),
    (ACCOUNT, "rpm = 0", "rpm = 1.5", "float"),
    (ACCOUNT, "allowed_ips = []", 'allowed_ips = ["10.0.0.300"]', "CIDR"),
    (ACCOUNT, "allowed_origins = []", 'allowed_origins = ["app.acme.test"]', "https://app.example.com"),
    (ACCOUNT, "allowed_origins = []", 'allowed_origins = []\nexpires_at = "tomorrow"', "2027-01-31"),
    (ACCOUNT, "allowed_origins = []", 'allowed_origins = []\ncontinuation = "yes"', "true or false"),
    (ACCOUNT, "allowed_origins = []", 'allowed_origins = []\nexpires_at = "2027-01-01T00:00:00"', "zone"),
    (ACCOUNT, 'secret = "env:ACME_KEY"', 'secret = "sk-st-short"', "smartoken key mint"),
    (ACCOUNT, 'secret = "env:ACME_KEY"', f'secret = "{KEY[:-1]}x"', "smartoken key mint"),
    (FX, 'pair = "CNY/USD"', 'pair = "CNYUSD"', "two currencies"),
    (FX, 'rate = "0.1409"', "rate = 0.1409", "float"),
    (FX, 'rate = "0.1409"', 'rate = "0"', "above zero"),
    (FX, "valid_from = 2026-11-01", 'valid_from = "2026-11-01"', "no quotes"),
    (SITE, "show_providers = true", 'show_providers = "no"', "true or false"),
    (SITE, 'support_email = "help@example.test"', 'support_email = "help"', "address such as"),
    (SITE, 'name = "Example"', 'nme = "Example"', "did you mean `name`"),
    (SITE, 'name = "Example"', 'approval_limit = "-3"', '`approval_limit` must be at least "0"'),
]


# What is missing is named at its table's line; a rule over several lines at the last of them.
ELSEWHERE = {
    "missing key `upstream_model`": "[[model.offer]]",
    "missing key `output`": "price = {",
    'billing = "open"': "credit_limit",
    "HTTPS_PROXY": "proxy =",
    "`proxy`": "proxy =",
    "cancel, drain, no_bill": "cancel =",
    "2027-01-31": "expires_at",
    "zone": "expires_at",
}


@pytest.mark.parametrize(("part", "old", "new", "words"), WRONG, ids=[row[2] or f"no {row[1]}" for row in WRONG])
def test_a_wrong_value_is_named_by_file_and_line(part, old, new, words):
    assert part.count(old) == 1
    text = "# a comment, so that lines count\n" + SITE * (part is not SITE) + part.replace(old, new)
    with pytest.raises(CatalogError) as caught:
        read_setup(text, "setup.toml", ENVIRONMENT)
    assert words in str(caught.value)
    found = re.match(r"setup\.toml:(\d+): ", str(caught.value))
    assert found is not None
    named = text.splitlines()[int(found[1]) - 1]
    assert ELSEWHERE.get(words, new).splitlines()[-1] in named


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[providers]]\nid = 'x'\n", "unknown key `providers`; did you mean `provider`"),
        ("[[provider]]\nid = 'x'\ndialect =\n", "setup.toml:3: not TOML"),
        ("x = 1\n", "unknown key `x`"),
        (PROVIDER + PROVIDER, "setup.toml:10: provider up1 stands in the file twice"),
        (PROVIDER + MODEL + MODEL.replace("test/alpha", "Test/Alpha"), "model Test/Alpha stands in the file twice"),
        (PROVIDER.replace("keys = [", "nokeys = ["), "`keys` needs an entry"),
        (ACCOUNT + ACCOUNT.partition("[[account.key]]")[2].join(["[[account.key]]", ""]), "stands in the file twice"),
        (FX + FX, "stands in the file twice"),
        (MODEL + MODEL.partition("[[model.offer]]")[2].join(["[[model.offer]]", ""]), "add to 200, not 100"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(text, words):
    with pytest.raises(CatalogError, match=r"^setup\.toml:\d+: ") as caught:
        read_setup(text, "setup.toml", ENVIRONMENT)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://localhost:1/v1", "http://10.1.2.3/v1", "http://[::1]/v1", "http://169.254.169.254"]
)
def test_a_private_address_needs_to_be_meant(url):
    text = PROVIDER.replace("http://127.0.0.1:9101/v1", url)
    assert read_setup(text, "s", ENVIRONMENT).items[0].view["base_url"] == url
    with pytest.raises(CatalogError, match="allow_private = true"):
        read_setup(text.replace("allow_private = true\n", ""), "s", ENVIRONMENT)


def test_a_misspelt_permission_is_named_before_the_rule_that_it_would_lift():
    text = WHOLE.replace("allow_private = true", "alow_private = true")
    assert text != WHOLE
    with pytest.raises(CatalogError, match="unknown key `alow_private`; did you mean `allow_private`"):
        read_setup(text, "s", ENVIRONMENT)


def test_the_example_of_the_interface_is_read_whole():
    file = read_setup(WHOLE, "setup.toml", ENVIRONMENT)
    assert [each.label for each in file.items] == [
        "site",
        "fx CNY/USD 2026-11-01",
        "provider up1",
        "provider key up1/main",
        "model test/alpha",
        "offer up1:test/alpha",
        "account acme",
        "key acme/staging",
    ]
    assert file.sections == {"site", "fx", "provider", "model", "account"}
    assert file.variables == ("UP1_KEY", "ACME_KEY")
    account = next(each for each in file.items if each.kind is Kind.ACCOUNT)
    assert account.once == {"balance": 10_000_000_000}
    assert account.view["budgets"] == {"month": "50.00"}


def test_no_secret_of_a_file_shows_in_its_items():
    file = read_setup(WHOLE, "setup.toml", ENVIRONMENT)
    shown = repr(file) + str(file.items)
    assert "up-secret-one" not in shown
    assert KEY not in shown


def test_a_variable_that_is_not_set_is_left_open():
    file = read_setup(WHOLE, "setup.toml", {})
    given = [each.secret for each in file.items if each.secret is not None]
    assert [each.value for each in given] == [None, None]


BANDS = """
[[model]]
id = "test/banded"
[model.price]
currency = "USD"
bands = [
    { up_to_prompt_tokens = 128000, thinking = false, input = "1", output = "2" },
    { up_to_prompt_tokens = 128000, up_to_output_tokens = 200, thinking = true, input = "1", output = "3" },
    { thinking = false, input = "2", output = "4" },
    { thinking = true, input = "2", output = "8", cached_input = "0.2", cache_write = "2.5" },
]
time_of_day = { zone = "Asia/Shanghai", peak = ["09:00-12:00"], weekdays = [1, 2], off_peak_percent = 50 }
[[model.offer]]
provider = "up1"
upstream_model = "banded"
"""


def test_bands_thinking_answer_length_and_hours_are_read():
    view = next(each.view for each in read_setup(BANDS, "s", {}).items if each.kind is Kind.MODEL)
    price = view["price"]
    assert [each["output"] for each in price["bands"]] == ["2.00", "3.00", "4.00", "8.00"]
    assert price["bands"][1]["up_to_output_tokens"] == 200
    assert price["time_of_day"]["peak"] == ["09:00-12:00"]


def test_bands_that_leave_a_call_unpriced_are_refused():
    with pytest.raises(CatalogError, match="end with an open band"):
        read_setup(BANDS.replace('    { thinking = true, input = "2"', '    { thinking = false, input = "2"'), "s", {})
