"""The strict reader: what it takes, and the file, line and fix that it names for everything else."""

from datetime import date

import pytest

from smartoken.catalog.lines import key_lines, line_of
from smartoken.catalog.price_file import read_price
from smartoken.catalog.provider_file import read_fx
from smartoken.catalog.strict import CatalogError, parse_toml, read_toml


def read_shop(table):
    """Read a small made-up file with every kind of value, tables under headers, inline and in arrays."""
    table.text("name")
    table.flag("open", default=True)
    table.whole("limit", 0, most=1000)
    table.texts("tags", ())
    table.wholes("days", ())
    table.maybe_day("since")
    table.known_whole("size") if "size" in table else None
    table.known_flag("loud") if "loud" in table else None
    table.text("mode", "slow", choices=("slow", "fast"))
    table.coarse_day("seen") if "seen" in table else None
    table.maybe_amount("balance")
    if "price" in table:
        read_price(table.table("price"), sourced=False)
    read_fx(table, "fx")
    for model in table.tables("model"):
        model.text("id")
        for offer in model.tables("offer"):
            offer.text("provider")
            if "cost" in offer:
                read_price(offer.table("cost"))
    table.done()


FLAT = 'name = "a"\nprice = { currency = "USD", input = "1", output = "2" }\n'
BANDS = 'name = "a"\n[price]\ncurrency = "USD"\nbands = [\n'
BAND_TABLE = 'name = "a"\n[price]\ncurrency = "USD"\n[[price.bands]]\ninput = "1"\noutput = "2"\n'
OFFERS = 'name = "a"\n[[model]]\nid = "x"\n[[model.offer]]\nprovider = "p"\n[[model.offer]]\nprovider = "q"\n'

BAD = [
    # text, line, part of the message
    ("", 1, 'missing key `name`: add name = "..."'),
    ("name = 1\n", 1, "`name` must be text, not an integer"),
    ('name = ""\n', 1, "`name` must be text without blanks around it and not empty"),
    ('name = " a"\n', 1, "`name` must be text without blanks around it"),
    ('name = "a"\nlimits = 1\n', 2, "unknown key `limits`; did you mean `limit`?"),
    ('\n\nzzz = 1\nname = "a"\n', 3, "unknown key `zzz`; known here:"),
    ('name = "a"\n\nopen = "true"\n', 3, "`open` must be true or false, not text"),
    ('name = "a"\nopen = 1\n', 2, "`open` must be true or false, not an integer"),
    ('name = "a"\nlimit = true\n', 2, "`limit` must be an integer, not true or false"),
    ('name = "a"\nlimit = 1.0\n', 2, "`limit` must be an integer, not a float"),
    ('name = "a"\nlimit = -1\n', 2, "`limit` must be from 0 to 1000, not -1"),
    ('name = "a"\nlimit = 0x' + "f" * 5000 + "\n", 2, "not a number of more than 20 digits"),
    ('name = "a"\nmode = "quick"\n', 2, "`mode` must be one of slow, fast, not 'quick'"),
    ('name = "a"\ntags = "x"\n', 2, "`tags` must be a list of text, not text"),
    ('name = "a"\ntags = [\n  "x",\n  7,\n]\n', 4, "`tags` must be a list of text, not an integer"),
    ('name = "a"\ntags = ["x",\n  "x"]\n', 3, "`tags` names the same item twice"),
    ('name = "a"\ndays = [1, true]\n', 2, "`days` must be a list of integers, not true or false"),
    (
        'name = "a"\nsince = "2026-11-01"\n',
        2,
        "`since` must be a date such as 2026-11-01 (no quotes, no time), not text",
    ),
    ('name = "a"\nsince = 2026-11-01T00:00:00Z\n', 2, "not a date with time"),
    ('name = "a"\nsince = 10:00:00\n', 2, "not a time of day"),
    ('name = "a"\nsince = 2026-02-30\n', 2, "not TOML"),
    ('name = "a"\nseen = "11/2026"\n', 2, '`seen` must be 2026-11-01, "2026-11" or "2026", not \'11/2026\''),
    ('name = "a"\nseen = "2026-13"\n', 2, "`seen` must be"),
    ('name = "a"\nseen = 2026\n', 2, "`seen` must be a date"),
    ('name = "a"\nsize = "huge"\n', 2, "`size` must be an integer, not text"),
    ('name = "a"\nloud = "maybe"\n', 2, "`loud` must be true or false, not text"),
    ('name = "a"\nbalance = 10\n', 2, '`balance` must be a decimal string: write balance = "10"'),
    ('name = "a"\nbalance = 10.5\n', 2, "`balance` is a float, which holds no exact figure: write a decimal string"),
    ('name = "a"\nbalance = "1e3"\n', 2, "`balance`: amount must be a decimal string"),
    ('name = "a"\nbalance = "0.0000000001"\n', 2, "more than 9 decimal places"),
    (
        FLAT.replace('"1"', "0.5"),
        2,
        '`input` is a float, which holds no exact figure: write a decimal string such as "0.5"',
    ),
    (FLAT.replace('"1"', '"-1"'), 2, "`input`: price '-1' is negative"),
    (FLAT.replace('"1"', '"0.0000001"'), 2, "more than 6 decimal places"),
    (FLAT.replace("input", "imput"), 2, "missing key `input`"),
    (FLAT.replace("}", ', outputt = "3" }'), 2, "unknown key `outputt`; did you mean `output`?"),
    (FLAT.replace("USD", "EUR"), 2, "`currency` must be one of USD, CNY, not 'EUR'"),
    ('name = "a"\nprice.currency = "USD"\nprice.input = "1"\n', 2, "missing key `output`"),
    (
        'name = "a"\nprice.currency = "USD"\nprice.input = "1"\nprice.output = 2\n',
        4,
        "`output` must be a decimal string",
    ),
    ('name = "a"\nprice = "free"\n', 2, "`price` must be a table, not text"),
    (
        BANDS + '  { up_to_prompt_tokens = 10, input = "1", output = "1" },\n]\n',
        4,
        "`bands` leave long calls without thinking unpriced: end with an open band",
    ),
    (
        BANDS + '  { thinking = false, input = "1", output = "1" },\n]\n',
        4,
        "`bands` leave long calls with thinking unpriced",
    ),
    (
        BANDS + '  { input = "1", output = "1" },\n  { up_to_prompt_tokens = 10, input = "1", output = "1" },\n]\n',
        4,
        "`bands` must go from short to long prompts",
    ),
    (
        BAND_TABLE + '[[price.bands]]\ninput = "1"\noutput = 2.5\n',
        9,
        "`output` is a float",
    ),
    (
        FLAT.replace("}", ', time_of_day = { zone = "Mars/Base", peak = [], weekdays = [1], off_peak_percent = 50 } }'),
        2,
        "`zone` must be an IANA name such as \"Asia/Shanghai\", not 'Mars/Base'",
    ),
    (
        FLAT.replace("}", ', time_of_day = { zone = "UTC", peak = ["9-12"], weekdays = [1], off_peak_percent = 5 } }'),
        2,
        "`peak` must hold spans such as \"09:00-12:00\", not '9-12'",
    ),
    (
        FLAT.replace(
            "}", ', time_of_day = { zone = "UTC", peak = ["22:00-06:00"], weekdays = [1], off_peak_percent = 5 } }'
        ),
        2,
        "must end after it starts",
    ),
    (
        FLAT.replace("}", ', time_of_day = { zone = "UTC", peak = [], weekdays = [0], off_peak_percent = 5 } }'),
        2,
        "`weekdays` must be numbers from 1 (Monday) to 7 (Sunday)",
    ),
    (
        FLAT.replace("}", ', promotion = { percent = 50, until = "2026-12-31", zone = "UTC" } }'),
        2,
        "`until` must be a date",
    ),
    ('name = "a"\n[[model]]\nid = "x"\n\n[[model.offer]]\n', 5, "missing key `provider`"),
    ('name = "a"\n[[model]]\nid = "x"\n[[model]]\nid = 7\n', 5, "`id` must be text, not an integer"),
    (
        OFFERS + 'cost = { currency = "CNY",\n input = "1" }\n',
        8,
        "not TOML",
    ),
    (
        OFFERS + 'cost = { currency = "CNY", input = "1", output = 2 }\n',
        8,
        "`output` must be a decimal string",
    ),
    ('name = "a"\n"model" = [\n  { id = "x" },\n  { idd = "y" },\n]\n', 4, "missing key `id`"),
    ('name = "a"\nmodel = [\n  { id = "x" },\n  "y",\n]\n', 4, "`model` must be a list of tables, not of text"),
    ('name = "a"\nmodel = { id = "x" }\n', 2, "`model` must be a list of tables ([[model]]), not a table"),
    ('name = """\nmany lines\n"""\n', 1, "`name` must be text without blanks"),
    ('name = """a\n# not a comment\nx = 1"""\nlimit = "7"\n', 4, "`limit` must be an integer, not text"),
    ("name = 'a # b' # c\n\"lim it\" = 1\n", 2, "unknown key `lim it`"),
    (
        'name = "a"\n[[fx]]\npair = "CNYUSD"\nrate = "1"\nvalid_from = 2026-11-01\nsource = "s"\n',
        3,
        "`pair` must be two",
    ),
    (
        'name = "a"\n[[fx]]\npair = "CNY/USD"\nrate = 0.14\nvalid_from = 2026-11-01\nsource = "s"\n',
        4,
        "`rate` is a float",
    ),
    (
        'name = "a"\n[[fx]]\npair = "CNY/USD"\nrate = "0"\nvalid_from = 2026-11-01\nsource = "s"\n',
        4,
        "must be above zero",
    ),
    ('name = "a"\nname = "b"\nopen = true\n', 2, "not TOML: Cannot overwrite a value"),
    ('name = "a\n', 1, "not TOML"),
    ('name = "a"\n\nlimit =\n', 3, "not TOML: Invalid value"),
    ('name = "a"\ntags = ["b",\n', 2, "not TOML"),
    ('name = "a"\nlimit = ' + "9" * 5000 + "\n", 1, "not TOML that can be read: ValueError"),
    ('name = "a"\ntags = ' + "[" * 5000 + "\n", 1, "not TOML that can be read: RecursionError"),
]


@pytest.mark.parametrize(("text", "line", "part"), BAD, ids=[f"{i}:{row[2][:30]}" for i, row in enumerate(BAD)])
def test_every_fault_is_named_with_file_line_and_fix(text, line, part):
    with pytest.raises(CatalogError) as caught:
        read_shop(parse_toml(text, "shop.toml"))
    assert str(caught.value).startswith(f"shop.toml:{caught.value.line}: ")
    assert caught.value.path == "shop.toml"
    assert part in caught.value.message
    assert caught.value.line == line


GOOD = """\
name = "a"
open = false
limit = 7
tags = ["x", "y"]
days = [1, 5]
since = 2026-11-01
size = "unknown"
loud = "unknown"
mode = "fast"
seen = "2026-11"
balance = "-10.50"

[price]
currency = "CNY"
promotion = { percent = 50, until = 2026-12-31, zone = "Asia/Shanghai" }
[[price.bands]]
up_to_prompt_tokens = 100
input = "0.25"
output = "1"
[[price.bands]]
input = "0.50"
output = "2"

[[model]]
id = "m"
[[model.offer]]
provider = "p"
cost = { currency = "USD", input = "1", output = "2" }
"""


def test_a_file_that_is_right_in_every_way_is_taken():
    read_shop(parse_toml(GOOD, "shop.toml"))


def test_accessors_return_what_the_file_says():
    table = parse_toml(GOOD, "shop.toml")
    assert table.text("name") == "a"
    assert table.flag("open") is False
    assert table.whole("limit") == 7
    assert table.texts("tags") == ("x", "y")
    assert table.wholes("days") == (1, 5)
    assert table.day("since") == date(2026, 11, 1)
    assert table.known_whole("size") is None
    assert table.known_flag("loud") is None
    assert table.coarse_day("seen") == "2026-11"
    assert table.coarse_day("since") == "2026-11-01"
    assert table.amount("balance") == -10_500_000_000
    assert table.tables("model")[0].tables("offer")[0].table("cost").rate("input") == 1_000_000
    assert table.maybe_text("absent") is None
    assert table.maybe_day("absent") is None
    assert table.maybe_amount("absent") is None
    assert table.maybe_table("absent") is None
    assert table.tables("absent_too") == ()
    assert table.rate("no_rate", 5) == 5
    assert table.amount("no_amount", 6) == 6


def test_asking_whether_a_key_is_there_does_not_make_it_known():
    table = parse_toml("a = 1\n", "f.toml")
    assert "a" in table
    assert not table.is_text("a")
    with pytest.raises(CatalogError, match=r"f\.toml:1: unknown key `a`; known here: no key at all"):
        table.done()


def test_a_file_with_windows_line_ends_has_the_same_lines(tmp_path):
    file = tmp_path / "f.toml"
    file.write_bytes(b'name = "a"\r\n\r\nlimit = "x"\r\n')
    with pytest.raises(CatalogError) as caught:
        read_shop(read_toml(file))
    assert (caught.value.path, caught.value.line) == (str(file), 3)


def test_bytes_that_are_not_utf_8_are_named_by_line(tmp_path):
    file = tmp_path / "f.toml"
    file.write_bytes(b'name = "a"\nmode = "\xff"\n')
    with pytest.raises(CatalogError, match="not UTF-8 text: save the file as UTF-8") as caught:
        read_toml(file, "set-up.toml")
    assert (caught.value.path, caught.value.line) == ("set-up.toml", 2)


def test_a_file_that_cannot_be_read_is_a_catalog_error(tmp_path):
    with pytest.raises(CatalogError, match="cannot be read: No such file or directory"):
        read_toml(tmp_path / "absent.toml")


LINES = """\
a = 1
b.c = 2

[t]
x = [1,
     2, { y = 3 }]
"q.r" = ''' ]
[no]
'''
[[m]]
id = 1
[m.sub]
k = 1
[[m]]
[[m.o]]
p = { q = 1, r = { s = 2 } }
[[m.o]]
p = 2
"""


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ((), 1),
        (("a",), 1),
        (("b", "c"), 2),
        (("t",), 4),
        (("t", "x", 1), 6),
        (("t", "x", 2, "y"), 6),
        (("t", "q.r"), 7),
        (("m", 0), 10),
        (("m", 0, "id"), 11),
        (("m", 0, "sub", "k"), 13),
        (("m", 1), 14),
        (("m", 1, "o", 0, "p", "r", "s"), 16),
        (("m", 1, "o", 1, "p"), 18),
        (("m", 1, "o", 1, "absent", "deep"), 17),
        (("absent",), 1),
    ],
)
def test_lines_are_found_by_path(place, line):
    assert line_of(key_lines(LINES), place) == line
