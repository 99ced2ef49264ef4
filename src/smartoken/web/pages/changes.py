"""What changed: models that came and went, names that retired, prices of this server, as a page and as a feed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from smartoken.web import rss, views
from smartoken.web.render import Renderer
from smartoken.web.resources import Answer, Asked, Site

_SHOWN, _FED = 120, 50
_PRICE = "Price"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that happened to a model."""

    day: date
    kind: str  # "Released", "Retires", "Name retired", "Price"
    model: str
    title: str
    said: str


def changes(site: Site) -> list[Change]:
    """Return every dated change, newest first; what lies ahead comes first of all."""
    return sorted((*_of_models(site), *_of_prices(site)), key=lambda each: (each.day, each.title), reverse=True)


def _of_models(site: Site) -> Iterator[Change]:
    for served in site.models:
        model = served.model
        if model.vendor == views.PLAY:
            continue
        if model.released is not None:
            yield Change(model.released, "Released", model.id, model.name, model.description)
        if model.retires is not None:
            instead = f" Use {model.replaced_by} instead." if model.replaced_by else ""
            yield Change(model.retires, "Retires", model.id, model.name, f"Its provider takes it back.{instead}")
        for name in model.retired_names:
            said = f"{name.name} resolves to {model.id}, with a warning header. {name.note}".strip()
            yield Change(name.retired, "Name retired", model.id, name.name, said)


def _of_prices(site: Site) -> Iterator[Change]:
    """Return the changes of prices that were seen here, and those that are published to come."""
    models = site.directory.current.models
    for each in site.changes():
        served = models.get(each["model"])
        if served is not None:
            said = f"{_rates(each['before'])} before, {_rates(each['price'])} since, per 1M tokens in and out."
            yield Change(date.fromisoformat(each["from"][:10]), _PRICE, served.model.id, served.model.name, said)
    prices = site.directory.current.prices
    for name, served in models.items() if prices is not None and len(prices.stages) > 1 else ():
        later = [(stage.from_ms, stage.models.get(name)) for stage in prices.stages[1:]] if prices is not None else []
        for day, bands in views.ahead(later, served.price):
            said = "Not sold any more." if not bands else "A new price begins; it stands on the model's page."
            yield Change(day, _PRICE, served.model.id, served.model.name, said)


def _rates(price: Mapping[str, Any] | None) -> str:
    if not price:
        return "not sold"
    first = (price.get("bands") or [price])[0]
    return f"${first.get('input')} / ${first.get('output')}"


def changelog(renderer: Renderer, asked: Asked) -> Answer:
    """Return the changes of models and of prices."""
    site = renderer.site
    found = changes(site)
    today = site.today()
    kinds = ("Released", "Retires", "Name retired", _PRICE)
    wanted = asked.one("kind")
    chosen = [each for each in found if wanted not in kinds or each.kind == wanted]
    return renderer.page(
        "changelog.html",
        title="Changelog of models and prices",
        description="Models released and retired, names and prices that changed, with dates and a feed.",
        path=asked.path,
        ahead=[each for each in reversed(chosen) if each.day > today],
        past=[each for each in chosen if each.day <= today][:_SHOWN],
        today=today,
        kinds=kinds,
        wanted=wanted if wanted in kinds else "",
    )


def feed(renderer: Renderer, asked: Asked) -> Answer:
    """Return the newest changes as RSS."""
    del asked
    site = renderer.site
    items = [
        rss.Item(
            f"{each.kind}: {each.title}",
            f"{site.address}/models/{each.model}",
            f"{each.kind}:{each.title}:{each.day}",
            datetime.combine(each.day, time(), UTC),
            each.said,
        )
        for each in [one for one in changes(site) if one.day <= site.today()][:_FED]
    ]
    said = "Models released and retired, names and prices that changed."
    return Answer(rss.feed("SmarToken: models and prices", f"{site.address}/changelog", said, items), rss.MEDIA)
