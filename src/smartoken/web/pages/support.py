"""Help: errors and what to do about them, what providers' errors mean, keys from abroad, and search."""

import re
from collections import defaultdict
from dataclasses import replace

from smartoken.providers.dialect import OPENAI
from smartoken.providers.registry import DIALECTS
from smartoken.web import search as index
from smartoken.web.failure_words import MEANINGS, own_rules, shown_when
from smartoken.web.library import Document, plain
from smartoken.web.pages.catalog import all_rows
from smartoken.web.pages.menus import MADE, codes, docs_menu, errors_menu, grouped_codes
from smartoken.web.render import Renderer
from smartoken.web.resources import Answer, Asked

_FENCES = re.compile(r"^```(\w*).*?^```", re.MULTILINE | re.DOTALL)  # of a sample only its language is found
_FURNITURE = re.compile(r"^(?:#+ .*|\|[-:| ]+\||<!--.*-->)$", re.MULTILINE)  # headings, rules of tables, blocks
_FACTS = re.compile(r"^\| HTTP status .*\n\|[-| ]+\|\n(?:\|.*\n)+\n?", re.MULTILINE)
_FIX = re.compile(r"^## What to do\n\n(.*?)\n(?=## |\Z)", re.MULTILINE | re.DOTALL)
# Pages that the program makes and that are found beside the Markdown: address, title, what it says.
_PAGES = (
    *(
        (address, title, said)
        for address, title, _, said in MADE
        if address not in ("/help/errors", "/docs/provider-keys")
    ),
    (
        "/models",
        "Models",
        "Every model with price, context, abilities and data region; filters and order in the address.",
    ),
    (
        "/models/compare",
        "Compare models",
        "Two to four models side by side, with what your own calls would cost: a calculator.",
    ),
    ("/pricing", "Pricing", "The price book, what is billed by how a call ended, caching, rounding, and a calculator."),
    ("/status", "Status", "Whether calls are taken now, which models answer, which routes rest or rested."),
    ("/changelog", "Changelog of models and prices", "Models released and retired, names and prices that changed."),
    ("/use-cases", "Use cases", "Customer support, coding, education and documents, each with code and cost."),
    ("/tutorials", "Tutorials", "Step by step, with code that runs."),
)
_HEADS = re.compile(r"^#+ (.+)$", re.MULTILINE)


def help_home(renderer: Renderer, asked: Asked) -> Answer:
    """Return the front page of help: search, the questions that people ask, and errors."""
    page = renderer.site.library.pages.get("/help")
    return renderer.page(
        "help.html",
        title="Help",
        description="Answers about keys, billing, errors and production, each also visible in the product.",
        path=asked.path,
        rendered=renderer.markdown(page) if page is not None else None,
        kinds=codes(),
        grouped=grouped_codes(),
    )


def errors(renderer: Renderer, asked: Asked) -> Answer:
    """Return the table of every error code."""
    page = renderer.site.library.pages["/help/errors"]
    return renderer.page(
        "errors.html",
        title="Errors",
        description="Every error code with its HTTP status, cause, fix, whether to retry and whether it is billed.",
        path=asked.path,
        kinds=codes(),
        grouped=grouped_codes(),
        rendered=renderer.markdown(page),
        groups=errors_menu(),
    )


def error(renderer: Renderer, asked: Asked) -> Answer | None:
    """Return the page of one error code."""
    kinds = codes().get(asked.parts["code"])
    page = renderer.site.library.pages.get(asked.path)
    if kinds is None or page is None:
        return None
    return renderer.page(
        "error.html",
        title=f"Error {kinds[0].code}",
        description=f"{kinds[0].code}, HTTP {kinds[0].status}: {(kinds[0].__doc__ or '').strip()} Causes and the fix.",
        path=asked.path,
        kinds=kinds,
        rendered=renderer.markdown(fix_first(page)),
        groups=errors_menu(),
    )


def fix_first(page: Document) -> Document:
    """Return an error's page with what to do before everything else, and without the table that the chips repeat."""
    body = _FACTS.sub("", page.body, count=1)
    found = _FIX.search(body)
    if found is None:
        return page
    head, _, causes = body.replace(found[0], "").partition("\n## ")
    quoted = "\n".join(f"> {line}".rstrip() for line in f"[!FIX] {found[1].strip()}".splitlines())
    return replace(page, body=f"{head.strip()}\n\n{quoted}\n\n## {causes}")


def upstream_errors(renderer: Renderer, asked: Asked) -> Answer:
    """Return the dictionary of providers' errors, made from the records that classify them."""
    rows = []
    for dialect in DIALECTS.values():
        own = dialect.errors if dialect is OPENAI else own_rules(dialect, OPENAI)
        rows.append((dialect, [(shown_when(each), each.kind, MEANINGS[each.kind]) for each in own]))
    return renderer.page(
        "upstream_errors.html",
        title="Provider errors",
        description="What the error codes of Chinese providers mean, whose fault they are, and what the gateway does.",
        path=asked.path,
        dialects=rows,
        meanings=MEANINGS,
        groups=docs_menu(renderer),
    )


def provider_keys(renderer: Renderer, asked: Asked) -> Answer:
    """Return where a person outside China gets a key for each provider, with source and date."""
    site = renderer.site
    counts: dict[str, int] = defaultdict(int)
    for offer in site.catalog.offers.values():
        counts[offer.provider] += 1
    page = site.library.pages.get(asked.path)
    records = sorted(site.catalog.providers.values(), key=lambda each: (-counts[each.id], each.name))
    return renderer.page(
        "provider_keys.html",
        title="Provider keys from abroad",
        description="Where to get a provider key outside China: console, host, contracting company, currency, sources.",
        path=asked.path,
        records=[(each, counts[each.id]) for each in records],
        rendered=renderer.markdown(page) if page is not None else None,
        here=set(site.directory.current.providers),
        groups=docs_menu(renderer),
    )


def entries(renderer: Renderer) -> list[index.Entry]:
    """Return everything that can be found."""
    site = renderer.site
    found = []
    for page in site.library.pages.values():
        heads = " · ".join(plain(each) for each in _HEADS.findall(page.body))
        words = plain(_FURNITURE.sub(" ", _FENCES.sub(r" \1 ", page.body)).replace("|", " "))
        kind = _kind(page.address)
        found.append(index.Entry(kind, page.title, page.address, heads, words, page.description))
    found.extend(
        index.Entry("Page", title, address, "", f"{said} {_words_of(address)}", said) for address, title, said in _PAGES
    )
    for row in all_rows(renderer):
        model = site.directory.current.models[row.id.lower()].model
        names = " ".join((model.id, *model.aliases, *model.retired_aliases, model.vendor, model.family))
        found.append(
            index.Entry("Model", model.name, row.path, names, f"{model.description} {names}", model.description)
        )
    return found


def _words_of(address: str) -> str:
    """Return what the dictionary of providers' errors is found by: every code and word in it."""
    if address != "/docs/errors/upstream":
        return ""
    told = [shown_when(each) for dialect in DIALECTS.values() for each in own_rules(dialect, OPENAI)]
    return plain(" ".join((*told, *(each.means for each in MEANINGS.values()))))


def _kind(address: str) -> str:
    if address.startswith("/docs/decisions/"):
        return "Decision"
    return "Error" if address.startswith("/help/errors/") else "Docs"


def search(renderer: Renderer, asked: Asked) -> Answer:
    """Return what fits a query."""
    query = asked.one("q").strip()[:100]
    hits = index.search(renderer.once("entries", lambda: entries(renderer)), query)
    return renderer.page(
        "search.html",
        title=f"Search: {query}" if query else "Search",
        description="Search the docs, models and errors of SmarToken.",
        path=asked.path,
        query=query,
        hits=hits,
    )
