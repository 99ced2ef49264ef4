"""Every page of the site map answers, is well made, small, self-contained, and leads only to what is there."""

import re
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest
import typer

from smartoken.__main__ import command_line
from smartoken.errors import all_errors
from smartoken.gateway.metrics import COUNTERS, GAUGES, HISTOGRAMS
from smartoken.web.assets import CHECKOUT

MOST_HTML = 60 * 1024
OTHER_PLANES = ("/v1", "/api/", "/readyz", "/healthz", "/metrics", "/assets/")
VOID = set("area base br col embed hr img input link meta source track wbr".split())
SVG = {"path", "rect", "circle", "line", "polyline", "use"}


class Page(HTMLParser):
    """What a test wants to know of a page."""

    def __init__(self, text):
        super().__init__()
        self.links, self.ids, self.heads, self.faults, self.open = [], set(), [], [], []
        self.title, self.description, self._in = "", "", None
        self.scripts, self.loads, self.labels, self.fields = [], [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        facts = dict(attrs)
        if "id" in facts:
            if facts["id"] in self.ids:
                self.faults.append(f"two elements have the id {facts['id']}")
            self.ids.add(facts["id"])
        if "style" in facts or any(name.startswith("on") for name in facts):
            self.faults.append(f"<{tag}> has a style or a handler inside")
        match tag:
            case "a":
                self.links.append(facts.get("href", ""))
            case "title" | "h1" | "h2" | "h3" | "h4":
                self._in = tag
                if tag != "title":
                    self.heads.append([int(tag[1]), ""])
            case "meta" if facts.get("name") == "description":
                self.description = facts["content"]
            case "script":
                self._in = "script"
                self.scripts.append(facts.get("src", ""))
            case "link" if facts.get("rel") in ("stylesheet", "icon", "preload"):
                self.loads.append(facts["href"])
            case "img":
                self.loads.append(facts.get("src", ""))
                if not facts.get("alt"):
                    self.faults.append("an image has no alt text")
            case "form":
                self.links.append(facts.get("action", ""))
            case "th" if not facts.get("scope"):
                self.faults.append("a head of a table has no scope")
            case _:
                pass
        if tag not in VOID and tag not in SVG:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in VOID or tag in SVG:
            return
        if not self.open or self.open[-1] != tag:
            self.faults.append(f"</{tag}> closes {self.open[-1:]}")
        else:
            self.open.pop()
        if tag == self._in:
            self._in = None

    def handle_data(self, data):
        if self._in == "title":
            self.title += data
        elif self._in in ("h1", "h2", "h3", "h4"):
            self.heads[-1][1] += data


@pytest.fixture(scope="session")
def pages(visitor):
    """Every page, read once."""
    return {path: (visitor.page(path), Page(visitor.page(path))) for path in visitor.addresses()}


def test_the_site_map_holds_every_kind_of_page(pages):
    assert len(pages) > 200
    for path in ("/", "/models", "/pricing", "/docs/quickstart", "/help/errors/budget_exceeded", "/families/qwen"):
        assert path in pages


def test_every_page_has_a_title_a_description_and_one_first_heading(pages):
    wrong = []
    for path, (_, page) in pages.items():
        firsts = [text for level, text in page.heads if level == 1]
        if len(firsts) != 1 or not firsts[0].strip():
            wrong.append(f"{path}: {len(firsts)} first headings")
        if not 3 <= len(page.title) <= 120:
            wrong.append(f"{path}: title of {len(page.title)} characters: {page.title}")
        if not 25 <= len(page.description) <= 250:
            wrong.append(f"{path}: description of {len(page.description)} characters")
    assert wrong == []


def test_headings_go_down_one_step_at_a_time(pages):
    wrong = []
    for path, (_, page) in pages.items():
        levels = [level for level, _ in page.heads]
        main = levels[levels.index(1) :]
        wrong += [
            f"{path}: {text}"
            for (level, text), (before, _) in zip(
                page.heads[levels.index(1) + 1 :], page.heads[levels.index(1) :], strict=False
            )
            if level > before + 1
        ]
        assert main[0] == 1
    assert wrong == []


def test_every_page_is_closed_labelled_and_free_of_inline_code(pages):
    assert [f"{path}: {fault}" for path, (_, page) in pages.items() for fault in page.faults] == []


def test_titles_tell_pages_apart(pages):
    titles = {}
    for path, (_, page) in pages.items():
        titles.setdefault(page.title, []).append(path)
    assert {title: paths for title, paths in titles.items() if len(paths) > 1} == {}


def test_descriptions_tell_pages_apart(pages):
    told = {}
    for path, (_, page) in pages.items():
        told.setdefault(page.description, []).append(path)
    assert {said: paths for said, paths in told.items() if len(paths) > 1} == {}


def test_no_page_is_larger_than_it_may_be(pages):
    assert {path: len(text) for path, (text, _) in pages.items() if len(text.encode()) > MOST_HTML} == {}


def test_pages_load_nothing_from_elsewhere(pages):
    for path, (_, page) in pages.items():
        for each in (*page.loads, *page.scripts):
            assert not each or each.startswith("/assets/"), f"{path}: {each}"
        assert page.scripts.count("") == 1, path


def test_every_link_of_every_page_leads_somewhere(pages, visitor):
    dead, asked = [], {}
    for path, (_, page) in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https", "mailto"):
                continue
            place = parts.path or path
            if place.startswith(OTHER_PLANES):
                continue
            target = place + (f"?{parts.query}" if parts.query else "")
            if target not in asked:
                found = visitor.ask(unquote(place) + (f"?{parts.query}" if parts.query else ""))
                asked[target] = (found.status, found.text if "html" in found.headers["content-type"] else "")
            status, text = asked[target]
            if status != 200:
                dead.append(f"{path}: {link} answers {status}")
            elif parts.fragment and f'id="{parts.fragment}"' not in text:
                dead.append(f"{path}: {link} has no such place")
    assert sorted(dead) == []


def test_every_error_code_has_its_page_and_the_list_names_it(pages):
    listed = pages["/help/errors"][0]
    for each in all_errors():
        assert f"/help/errors/{each.code}" in pages
        assert f"/help/errors/{each.code}" in listed
        assert each.remedy.partition("`")[0] in re.sub("&#39;", "'", pages[f"/help/errors/{each.code}"][0])


def test_every_page_of_the_docs_is_in_the_site_map_and_as_markdown(pages, visitor):
    for address, page in visitor.site.library.pages.items():
        assert address in pages, address
        if address != "/":
            said = visitor.ask(f"{address}.md")
            assert said.status == 200
            assert said.headers["content-type"].startswith("text/markdown")
            assert page.title.split()[0].strip("`") in said.text


def test_every_concept_has_a_drawing_of_at_most_five_steps(pages):
    for name in ("streaming", "tools", "json", "reasoning", "caching", "limits", "budgets", "fallback"):
        drawn = re.findall(r'<ol class="flow of-([345])">(.*?)</ol>', pages[f"/docs/{name}"][0])
        assert [int(count) for count, _ in drawn] == [steps.count("<li>") for _, steps in drawn] != [], name


def test_every_model_has_its_page(pages, visitor):
    for served in visitor.held.current.models.values():
        text, _ = pages[f"/models/{served.model.id}"]
        assert served.model.id in text
        assert ("Ready here" in text or "Sandbox" in text) == served.ready


def test_every_setting_command_and_metric_stands_on_a_page(pages):
    settings = set(re.findall(r'"(SMARTOKEN_[A-Z_]+)"', (CHECKOUT / "src/smartoken/settings.py").read_text("utf-8")))
    metrics = {*COUNTERS, *HISTOGRAMS, *GAUGES}
    commands = {name for name, _ in typer.main.get_command(command_line()).commands.items()}
    assert len(settings) > 10
    assert len(metrics) > 5
    assert len(commands) > 8
    for names, path in ((settings, "/docs/configuration"), (metrics, "/docs/metrics")):
        assert {each for each in names if each not in pages[path][0]} == set(), path
    assert {each for each in commands if f"smartoken {each}" not in pages["/docs/commands"][0]} == set()
