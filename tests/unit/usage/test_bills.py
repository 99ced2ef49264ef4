"""Providers' bills: shapes, mappings, days and units as tables checked by hand; what cannot be read is refused."""

from decimal import Decimal

import pytest

from smartoken.catalog.bill_shapes import SHAPES, shape_of
from smartoken.usage.bills import BillError, Cell, compare_cells, drift, read_bill

GENERIC = shape_of("anyone")
PLACE = ("2026-11-03", "alpha-up", "main")
DEEPSEEK = """user_id,utc_date,model,api_key_name,type,price,amount
u,2026-11-03,alpha-up,main,input_cache_hit_tokens,0.2,1024
u,2026-11-03,alpha-up,main,input_cache_miss_tokens,2,176
u,2026-11-03,alpha-up,main,output_tokens,3,350
u,2026-11-03,alpha-up,main,request_count,0,1
"""


def cells(text, shape=GENERIC, mapping=None, zone=None):
    return {place: cell.sums for place, cell in read_bill(text, shape, mapping or {}, zone).cells.items()}


READ = [
    ("date,model,key,input,cached,output\n2026-11-03,Alpha-UP,main,1200,1024,350\n", {}, None,
     {"input": 1200, "cached": 1024, "output": 350}),
    ('\ufeffdate,model,key,input_tokens,amount\n2026/11/03,alpha-up,main,"1,200",0.0016068\n', {}, None,
     {"input": 1200, "amount": 1_606_800}),
    ("Day,What,Who,In,Hit\n20261103,alpha-up,main,176,1024\n",
     {"date": "day", "model": "What", "key": "Who", "fresh": "In", "cached": "Hit"}, None,
     {"input": 1200, "cached": 1024}),
    ("date,model,key,input,unit\n2026-11-03,alpha-up,main,1.2,k tokens\n", {}, None, {"input": 1200}),
    ("date,model,key,input\n2026-11-02T20:00:00+00:00,alpha-up,main,5\n", {}, "Asia/Shanghai", {"input": 5}),
    ("date,model,key,input\n2026-11-03T20:00:00,alpha-up,main,5\n2026-11-03,alpha-up,main,7\n", {}, None,
     {"input": 12}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "mapping", "zone", "sums"), READ)
def test_a_bill_is_read_into_sums_by_day_model_and_key(text, mapping, zone, sums):
    assert cells(text, mapping=mapping, zone=zone) == {PLACE: sums}


def test_a_bill_with_a_line_for_each_kind_of_token_is_added_up():
    assert cells(DEEPSEEK, SHAPES["deepseek"]) == {PLACE: {"cached": 1024, "input": 1200, "output": 350}}


WRONG = [
    ("model,input\na,1\n", {}, "no column for date"),
    ("date,input\n2026-11-03,1\n", {}, "no column for model"),
    ("date,model\n2026-11-03,a\n", {}, "no column for input, output or amount"),
    ("date,model,input\n", {}, "no line with a date"),
    ("date,model,input\nyesterday,a,1\n", {}, "line 2: 'yesterday' is no day"),
    ("date,model,input\n2026-11-03,a,many\n", {}, "line 2: 'many' is no number"),
    ("date,model,input\n2026-11-03,a,NaN\n", {}, "line 2: 'NaN' is no number"),
    ("date,model,input,currency\n2026-11-03,a,1,CNY\n2026-11-03,a,1,USD\n", {}, "one currency"),
    ("date,model,input\n2026-11-03,a,1\n", {"input": "Tokens"}, "no such column; it has date, model, input"),
    ("date,model,input\n2026-11-03,a,1\n", {"colour": "x"}, "--map knows"),
]


@pytest.mark.parametrize(("text", "mapping", "words"), WRONG, ids=[each[2] for each in WRONG])
def test_a_bill_that_cannot_be_read_is_refused_with_the_fix(text, mapping, words):
    with pytest.raises(BillError, match=words):
        read_bill(text, GENERIC, mapping)


@pytest.mark.parametrize("name", SHAPES)
def test_every_importer_says_that_it_never_met_a_real_bill(name):
    caveats = " ".join(SHAPES[name].caveats())
    assert "never tried on a real bill" in caveats
    assert "No source at hand documents the columns" in caveats


def test_cells_differ_by_percent_and_by_standing_on_one_side_only():
    bill = read_bill("date,model,input\n2026-11-03,a,1005\n2026-11-03,b,1006\n2026-11-03,c,10\n", GENERIC, {})
    ours = {("2026-11-03", name, ""): Cell({"input": count}, [f"call_{name}"], 1)
            for name, count in (("a", 1000), ("b", 1000), ("d", 7))}  # fmt: skip
    found = list(compare_cells(ours, bill, bill.measures, Decimal("0.5")))
    assert [(each.place[1], each.kind, dict(each.figures), each.calls) for each in found] == [
        ("b", "drift", {"input": (1000, 1006)}, ("call_b",)),
        ("c", "only_in_bill", {"input": (0, 10)}, ()),
        ("d", "only_ours", {"input": (7, 0)}, ("call_d",)),
    ]
    assert drift(1000, 1006) == Decimal("0.6")
    assert drift(0, 10) is None


def test_what_is_no_csv_is_named_by_its_line():
    for text in ('date,model,amount\n"' + "a" * 140_000 + '",m,1\n', '"' + "a" * 140_000 + '",model,amount\n'):
        with pytest.raises(BillError, match="not CSV"):
            read_bill(text, GENERIC, {})
