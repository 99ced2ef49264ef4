"""Prices: the whole price book, what is billed by how a call ended, and how it is rounded."""

from smartoken.web.pages.catalog import cost_of, mix_of, row_of
from smartoken.web.render import Renderer
from smartoken.web.resources import Answer, Asked
from smartoken.web.views import CURRENT

_CHEAP = 8


def pricing(renderer: Renderer, asked: Asked) -> Answer:
    """Return the price book with a calculator."""
    site = renderer.site
    mix = mix_of(asked)
    rows = []
    for served in site.models:
        row = row_of(site, served)
        if row.input is not None and row.status == CURRENT:
            read = served.price.source_date if served.price is not None else ""
            rows.append((row, served.price_version, read, cost_of(served, mix)))
    rows.sort(key=lambda each: (each[0].play, each[3] or 0))
    rates = [each for each in site.catalog.fx.rates if each.pair == "CNY/USD"]
    return renderer.page(
        "pricing.html",
        title="Pricing",
        description="Every price with its date, what is billed and what is not, the rules of cache and rounding.",
        path=asked.path,
        rows=rows,
        cheap=_CHEAP,
        mix=mix,
        fx=rates[-1] if rates else None,
    )
