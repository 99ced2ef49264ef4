"""What changed: models that came, prices that were read, names that went, as a page and as a feed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from html import escape

from smartoken.web.render import Renderer
from smartoken.web.resources import Answer, Asked, Site

_SHOWN, _FED = 120, 50


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that happened to a model."""

    day: date
    kind: str  # "Released", "Retires", "Name retired"
    model: str
    title: str
    said: str


def changes(site: Site) -> list[Change]:
    """Return every dated change of the catalog, newest first; what lies ahead comes first of all."""
    return sorted(_changes(site), key=lambda each: (each.day, each.title), reverse=True)


def _changes(site: Site) -> Iterator[Change]:
    for served in site.models:
        model = served.model
        if model.released is not None:
            yield Change(model.released, "Released", model.id, model.name, model.description)
        if model.retires is not None:
            instead = f" Use {model.replaced_by} instead." if model.replaced_by else ""
            yield Change(model.retires, "Retires", model.id, model.name, f"Its provider takes it back.{instead}")
        for name in model.retired_names:
            said = f"{name.name} resolves to {model.id}, with a warning header. {name.note}".strip()
            yield Change(name.retired, "Name retired", model.id, name.name, said)


def changelog(renderer: Renderer, asked: Asked) -> Answer:
    """Return the changes of models, and of this product."""
    site = renderer.site
    found = changes(site)
    today = site.today()
    return renderer.page(
        "changelog.html",
        title="Changelog of models",
        description="Models released and retired, names that changed, with dates and a feed.",
        path=asked.path,
        ahead=[each for each in reversed(found) if each.day > today],
        past=[each for each in found if each.day <= today][:_SHOWN],
        today=today,
    )


def feed(renderer: Renderer, asked: Asked) -> Answer:
    """Return the newest changes as RSS."""
    del asked
    site = renderer.site
    items = []
    for each in [one for one in changes(site) if one.day <= site.today()][:_FED]:
        link = f"{site.address}/models/{each.model}"
        when = format_datetime(datetime.combine(each.day, time(), UTC))
        items.append(
            f"<item><title>{escape(f'{each.kind}: {each.title}')}</title><link>{escape(link)}</link>"
            f'<guid isPermaLink="false">{escape(f"{each.kind}:{each.title}:{each.day}")}</guid>'
            f"<pubDate>{when}</pubDate><description>{escape(each.said)}</description></item>"
        )
    head = (
        f"<title>SmarToken: models</title><link>{escape(site.address)}/changelog</link>"
        "<description>Models released and retired, and names that changed.</description>"
    )
    body = (
        f'<?xml version="1.0" encoding="utf-8"?>\n<rss version="2.0"><channel>{head}{"".join(items)}</channel></rss>\n'
    )
    return Answer(body.encode(), "application/rss+xml; charset=utf-8")
