"""Figures, Markdown, search, quirks, failures and exports: the parts that pages are made of."""

import csv
import io
import json
import re
from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from smartoken.billing.prices import tariff
from smartoken.catalog.offers import Promotion
from smartoken.errors import FailureClass, all_errors
from smartoken.money import parse_rate, rate_text
from smartoken.providers.registry import DIALECTS
from smartoken.tokens import TokenUsage
from smartoken.web import figures, quirks, samples
from smartoken.web import search as index
from smartoken.web.blocks import BLOCKS, BlockError
from smartoken.web.failure_words import MEANINGS, shown_when
from smartoken.web.library import CHECKOUT, Library, LibraryError, address_of, plain
from smartoken.web.linter import FIELDS
from smartoken.web.markdown import Writer
from smartoken.web.pages.catalog import Mix, cost_of
from smartoken.web.views import price_rows

FIGURES = [
    (figures.price(None), "—"),
    (figures.price(0), "$0.00"),
    (figures.price(1), "$0.0001"),
    (figures.price(280_000), "$0.28"),
    (figures.price(633_937), "$0.6339"),
    (figures.price(2_535_750), "$2.5358"),
    (figures.exact_price(633_937), "$0.633937"),
    (figures.dollars(0), "$0.00"),
    (figures.dollars(1), "under $0.01"),
    (figures.dollars(84_430_000_000), "$84.43"),
    (figures.dollars(1_234_567_890_000_000), "$1,234,567.89"),
    (figures.dollars(-5_000_000_000), "\u2212$5.00"),
    (figures.tokens(None), "—"),
    (figures.tokens(9_412), "9,412"),
    (figures.tokens(262_144), "262k"),
    (figures.tokens(32_768), "32.7k"),
    (figures.tokens(1_000_000), "1M"),
    (figures.day(date(2026, 11, 5)), "5 Nov 2026"),
    (figures.day("2026-10"), "Oct 2026"),
    (figures.day("2026"), "2026"),
    (figures.day(""), "—"),
    (figures.yes_no(None), "unknown"),
    (figures.region("cn"), "mainland China"),
    (figures.region(None), "not known"),
]


@pytest.mark.parametrize(("shown", "expected"), FIGURES)
def test_a_figure_is_shown_exactly_so(shown, expected):
    assert shown == expected


ADDRESSES = [
    ("quickstart.md", "/docs/quickstart"),
    ("concepts/tools.md", "/docs/tools"),
    ("errors/README.md", "/help/errors"),
    ("errors/not_found.md", "/help/errors/not_found"),
    ("decisions/0001-layers.md", "/docs/decisions/0001-layers"),
    ("site/help/index.md", "/help"),
    ("site/use-cases/support.md", "/use-cases/support"),
]


@pytest.mark.parametrize(("place", "address"), ADDRESSES)
def test_a_file_has_the_address_that_its_place_says(place, address):
    assert address_of(place) == address


def test_no_two_files_have_one_address(visitor):
    found = [each.address for each in visitor.site.library.documents()]
    assert sorted(found) == sorted(set(found))


def test_a_page_without_a_heading_or_with_unknown_front_matter_is_refused_by_name(tmp_path):
    (tmp_path / "a.md").write_text("no heading")
    with pytest.raises(LibraryError, match=r"docs/a\.md"):
        assert Library(tmp_path).pages
    (tmp_path / "a.md").write_text("---\nauthor: x\n---\n# A")
    with pytest.raises(LibraryError, match="author"):
        assert Library(tmp_path).pages


def test_plain_words_keep_underscores_and_lose_marks():
    assert plain("**Set** `a_b_c` in [the file](x.md)") == "Set a_b_c in the file"


def rendered(text, block=lambda _name, _facts: ""):
    """Markdown as a page shows it."""
    return Writer(block).render(text, lambda target: f"/to/{target}", {"OLD": "NEW"})


def test_html_in_markdown_is_text():
    assert "<script>" not in rendered("# T\n\n<script>alert(1)</script>\n\n[x](javascript:alert(1))").html
    assert "javascript:" not in rendered("# T\n\n[x](javascript:alert(1))").html.replace("(javascript:alert(1))", "")


def test_headings_have_anchors_of_their_own_and_the_first_is_the_title():
    page = rendered("# T\n\n## Same\n\n## Same\n\n### Deep `x`")
    assert page.title_html == "T"
    assert [each.anchor for each in page.headings] == ["same", "same-2", "deep-x"]
    assert "<h1" not in page.html


def test_links_to_files_become_addresses_and_others_stay():
    html = rendered("# T\n\n[a](b.md) [c](/d) [e](#f) [g](https://h.test)").html
    assert [piece in html for piece in ('"/to/b.md"', '"/d"', '"#f"', '"https://h.test"')] == [True] * 4


def test_neighbouring_samples_with_tabs_are_one_group_and_regions_are_told_apart():
    html = rendered(
        '# T\n\n```bash tab="cURL"\na\n```\n\n```python tab="Python"\nb\n```\n\n```bash\nc\n```\n\n```bash\nd\n```'
    ).html
    assert html.count('<div class="tabs">') == 1
    assert 'aria-label="Shell 1"' in html
    assert 'aria-label="Shell 2"' in html


def test_a_link_that_is_called_by_its_file_gets_the_title_of_its_page():
    def title(target):
        return {"billing.md#what": "Billing"}.get(target)

    text = "# T\n\n[billing.md](billing.md#what) [the bill](billing.md#what) [gone.md](gone.md)"
    html = Writer(lambda _name, _facts: "").render(text, lambda target: f"/{target}", {}, title).html
    assert re.findall(r">([^<]+)</a>", html) == ["Billing", "the bill", "gone.md"]


def test_wide_tables_carry_their_heads_for_phones_and_narrow_ones_do_not():
    wide = rendered("# T\n\n| a `b` | what it is | `code` |\n|---|---|---|\n| 1 | 2 | 3 |").html
    assert '<div class="scroll stacked"' in wide
    assert re.findall(r'<t([hd])\b[^>]*?(?: data-label="([^"]*)")?>', wide) == [
        ("h", ""),
        ("h", ""),
        ("h", ""),
        ("d", ""),
        ("d", "What it is"),
        ("d", "code"),
    ]
    assert "<code>code</code></th>" in wide
    narrow = rendered("# T\n\n| a | b |\n|---|---|\n| 1 | 2 |").html
    assert "stacked" not in narrow
    assert "data-label" not in narrow


def test_only_a_terminal_has_prompts_that_are_not_copied():
    html = rendered("# T\n\n```console\n$ make run\n```\n\n```bash\nmake run\n```").html
    assert html.count("<code data-prompt>") == 1


DRAWN = [("First: a | Then: b & c", ["First", "Then"]), ("", None)]


@pytest.mark.parametrize(("steps", "names"), DRAWN)
def test_a_drawing_has_its_steps_in_order_or_says_what_it_lacks(visitor, steps, names):
    make = BLOCKS["flow"]
    if names is None:
        with pytest.raises(BlockError, match="no steps"):
            make(visitor.web._renderer, {"steps": steps})
        return
    assert re.findall(r"<b>(.*?)</b>", make(visitor.web._renderer, {"steps": steps})) == names


def test_a_block_is_asked_for_with_its_words_and_another_comment_is_nothing():
    seen = []

    def block(name, facts):
        seen.append((name, facts))
        return "<p>made</p>"

    html = rendered(
        '# T\n\n<!-- cost model=a/b runs=10 note="two words" -->\n\n<!-- a remark: nothing -->\n\nOLD', block
    ).html
    assert seen == [("cost", {"model": "a/b", "runs": "10", "note": "two words"})]
    assert "<p>made</p>" in html
    assert "remark" not in html
    assert "NEW" in html


def test_search_wants_every_word_and_puts_titles_first():
    entries = [
        index.Entry("Docs", "Budgets", "/docs/budgets", "", "a key has a budget", "said"),
        index.Entry("Docs", "Keys", "/docs/keys", "", "each key has a budget too", "said"),
        index.Entry("Docs", "Streams", "/docs/streams", "", "nothing of it", "said"),
    ]
    assert [hit.entry.title for hit in index.search(entries, "budget")] == ["Budgets", "Keys"]
    assert [hit.entry.title for hit in index.search(entries, "key too")] == ["Keys"]
    assert index.search(entries, "  ") == []
    assert index.search(entries, "(((") == []


@pytest.mark.parametrize(
    "query", [each.code for each in all_errors()] + ["SMARTOKEN_PORT", "deepseek-v4-pro", "max_tokens"]
)
def test_every_error_a_setting_a_model_and_a_field_are_found(visitor, query):
    said = visitor.ask(f"/search?q={query}").text
    assert "Nothing found" not in said
    if any(query == each.code for each in all_errors()):
        first = said.partition('<ul class="hits">')[2].partition('href="')[2].partition('"')[0]
        assert first == f"/help/errors/{query}"


ASKED = [
    ("turn thinking off", "/docs/reasoning"),
    ("how do I cancel a stream", "/docs/streaming"),
    ("was I charged for a failed call", "/help"),
    ("arrearage", "/docs/errors/upstream"),
    ("price calculator", "/pricing"),
    ("openrouter api key", "/docs/provider-keys"),
    ("429", "/docs/limits"),
    ("python streaming", "/docs/streaming"),
]


@pytest.mark.parametrize(("query", "page"), ASKED)
def test_what_people_ask_leads_to_its_page_among_the_first_three(visitor, query, page):
    said = visitor.ask(f"/search?q={query.replace(' ', '+')}").text
    assert page in re.findall(r'<h2><a href="([^"]+)"', said)[:3]


def test_what_is_searched_for_is_shown_as_text(visitor):
    assert "<b>x" not in visitor.ask("/search?q=%3Cb%3Ex").text


def test_every_class_of_failure_has_its_meaning_and_leads_to_one_of_our_errors():
    assert set(MEANINGS) == set(FailureClass)
    assert {each.code for each in MEANINGS.values()} <= {each.code for each in all_errors()}


def test_every_row_of_every_dialect_says_when_it_applies(visitor):
    page = visitor.page("/docs/errors/upstream")
    for dialect in DIALECTS.values():
        for rule in dialect.errors:
            assert shown_when(rule) != "anything else"
        assert f'id="dialect-{dialect.id}"' in page


def test_every_difference_of_every_dialect_is_a_sentence():
    for dialect in DIALECTS.values():
        for each in quirks.quirks(dialect, "any-model"):
            assert each.subject
            assert len(each.does) > 8


def test_the_readme_and_the_quickstart_ask_the_same():
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    quickstart = (CHECKOUT / "docs" / "quickstart.md").read_text(encoding="utf-8")
    texts = {name: text for name, _, text in samples.first_samples(quickstart)}
    assert list(texts) == ["cURL", "Python", "TypeScript"]
    body = texts["cURL"].partition("-d '")[2].partition("'")[0]
    assert body in readme
    for name, language in (("Python", "python"), ("TypeScript", "ts")):
        shown = readme.partition(f"```{language}\n")[2].partition("```")[0]
        same = [line for line in shown.splitlines() if line.startswith(("import", "from", "client", "const client"))]
        assert same
        assert all(line in texts[name] for line in same)


def test_the_home_page_shows_the_samples_of_the_quickstart_with_this_address(visitor):
    page = visitor.page("/")
    assert "http://gate.test:8000/v1" in page
    assert "127.0.0.1" not in page


def test_exports_hold_every_price_exactly(visitor):
    rows = json.loads(visitor.ask("/pricing.json").body)["data"]
    priced = {each.model.id: each for each in visitor.held.current.models.values() if each.price is not None}
    assert {each["model"] for each in rows} == set(priced)
    for each in rows:
        bands = priced[each["model"]].price.bands
        assert [parse_rate(band["output"]) for band in each["bands"]] == [band.output for band in bands]
    table = list(csv.DictReader(io.StringIO(visitor.ask("/pricing.csv").text)))
    assert len(table) == sum(len(each["bands"]) for each in rows)


def test_the_exports_take_the_filters_of_the_page(visitor):
    every = json.loads(visitor.ask("/models.json").body)["count"]
    some = json.loads(visitor.ask("/models.json?can=vision").body)
    assert 0 < some["count"] < every
    assert all("vision" in each["abilities"] for each in some["data"])
    assert visitor.ask("/models.csv?can=vision").text.count("\n") == some["count"] + 1


def test_a_calculated_cost_is_what_the_ledger_would_charge(visitor):
    served = visitor.held.current.models["sandbox/echo"]
    band = served.price.bands[0]
    one = -(-(12 * band.input + 11 * band.output) // 1000)
    assert cost_of(served, Mix(12, 0, 11, 1000)) == one * 1000


def test_a_price_that_depends_on_the_hour_is_shown_as_the_ledger_charges_it_in_each(visitor):
    timed = [each for each in visitor.held.current.models.values() if each.price and each.price.time_of_day]
    assert timed
    for served in timed:
        price = replace(served.price, promotion=None)
        zone = ZoneInfo(price.time_of_day.zone)
        monday, sunday = datetime(2026, 11, 23, 10, tzinfo=zone), datetime(2026, 11, 22, 10, tzinfo=zone)
        million = TokenUsage(prompt=1_000_000, completion=0)
        rows = {row.when: row for row in price_rows(price)}
        for when, at in (("peak hours", monday), ("all other hours", sunday)):
            charged = tariff(price, at, lambda _calendar, _day: False).charge(million, thinking=False)
            assert rows[when].input * 1_000_000 == charged.nano * 1_000
        page = visitor.page(f"/models/{served.model.id}")
        assert "Peak hours" in page
        assert "All other hours" in page


def test_a_promotion_stands_beside_the_list_price_with_its_last_day(fresh):
    visitor = fresh()
    models = visitor.held.current.models
    served = models["sandbox/echo"]
    price = replace(served.price, promotion=Promotion(50, date(2026, 12, 31), "Asia/Shanghai", "Half price."))
    visitor.held.current = replace(
        visitor.held.current, models={**models, "sandbox/echo": replace(served, price=price)}
    )
    page = visitor.page("/models/sandbox/echo")
    assert "Through 31 Dec 2026 (Asia/Shanghai) every rate is charged at 50 %: Half price." in page


def test_no_price_is_typed_in_the_docs_of_the_site(visitor):
    prices = {rate_text(b.output) for s in visitor.held.current.models.values() if s.price for b in s.price.bands}
    typed = []
    for page in visitor.site.library.documents():
        if page.place.startswith(("site/", "concepts/")):
            typed += [f"{page.place}: ${each}" for each in prices if f"${each} " in page.body and each != "1.00"]
    assert typed == []


def test_the_feed_holds_the_newest_and_nothing_that_lies_ahead(visitor):
    feed = visitor.ask("/changelog.xml")
    assert feed.headers["content-type"].startswith("application/rss+xml")
    assert feed.text.count("<item>") == 50
    assert "Dec 2026" not in feed.text


def test_robots_may_read_pages_and_not_the_interfaces(visitor):
    said = visitor.ask("/robots.txt").text
    assert "Disallow: /v1/" in said
    assert "Sitemap: http://gate.test:8000/sitemap.xml" in said


def test_llms_txt_leads_to_markdown_that_is_there(visitor):
    lines = visitor.ask("/llms.txt").text
    links = [piece.partition(")")[0] for piece in lines.split("](http://gate.test:8000")[1:]]
    assert len(links) > 20
    assert [each for each in links if visitor.ask(each).status != 200] == []


def test_rules_of_the_check_are_sentences_with_a_change_where_one_is_needed():
    for name, rule in FIELDS.items():
        assert rule.says.endswith("."), name
        assert bool(rule.write) == (rule.level.value != "same"), name
