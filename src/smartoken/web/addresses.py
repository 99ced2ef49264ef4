"""Every address of the site and the page behind it. Pages of ``docs/`` are found by the library."""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from smartoken.web.pages import catalog, changes, documents, exports, feeds, home, money, rules, state, support, switch
from smartoken.web.render import Renderer
from smartoken.web.resources import Answer, Asked

Page = Callable[[Renderer, Asked], Answer | None]
_READ = ("GET", "HEAD")


class Found(NamedTuple):
    """The page of an address, what its pattern caught, and the methods that it takes."""

    page: Page
    parts: Mapping[str, str]
    methods: tuple[str, ...]


PLAIN: Mapping[str, Page] = {
    "/": home.home,
    "/models": catalog.models,
    "/models/compare": catalog.compare,
    "/families": catalog.families,
    "/pricing": money.pricing,
    "/docs": documents.index,
    "/docs/abilities": catalog.abilities,
    "/docs/api": documents.api,
    "/docs/errors/upstream": support.upstream_errors,
    "/docs/provider-keys": support.provider_keys,
    "/migrate/check": switch.check,
    "/help": support.help_home,
    "/help/errors": support.errors,
    "/search": support.search,
    "/status": state.status,
    "/status.json": state.status_json,
    "/status.xml": state.status_feed,
    "/use-cases": documents.use_cases,
    "/tutorials": documents.tutorials,
    "/changelog": changes.changelog,
    "/changelog.xml": changes.feed,
    "/models.json": exports.models_json,
    "/models.csv": exports.models_csv,
    "/pricing.json": exports.prices_json,
    "/pricing.csv": exports.prices_csv,
    "/llms.txt": feeds.llms,
    "/sitemap.xml": feeds.sitemap,
    "/robots.txt": feeds.robots,
    "/favicon.ico": feeds.favicon,
}
PATTERNS: tuple[tuple[re.Pattern[str], Page], ...] = (
    (re.compile(r"/models/(?P<model>[a-z0-9._-]+/[A-Za-z0-9._:-]+)"), catalog.model),
    (re.compile(r"/families/(?P<family>[a-z0-9._-]+)"), catalog.family),
    (re.compile(r"/docs/api/(?P<topic>[a-z-]+)"), documents.api_topic),
    (re.compile(r"/campaigns/(?P<slug>[a-z0-9-]{1,64})"), rules.campaign),
    (re.compile(r"/help/errors/(?P<code>[a-z_]+)"), support.error),
)
POSTED: frozenset[str] = frozenset({"/migrate/check"})


def find(path: str) -> Found | None:
    """Return the page of an address; None where there is none that is known beforehand."""
    methods = (*_READ, "POST") if path in POSTED else _READ
    page = PLAIN.get(path)
    if page is not None:
        return Found(page, {}, methods)
    if path.endswith(".md"):
        return Found(documents.source, {}, _READ)
    for pattern, page in PATTERNS:
        match = pattern.fullmatch(path)
        if match is not None:
            return Found(page, match.groupdict(), _READ)
    return Found(documents.document, {}, _READ)
