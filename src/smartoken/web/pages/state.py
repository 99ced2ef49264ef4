"""Whether calls are taken now, which routes rest, and what rested in the last day: a page, JSON and a feed."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from smartoken.errors import FailureClass
from smartoken.operations.served import ServedModel
from smartoken.web import figures, rss
from smartoken.web.failure_words import MEANINGS
from smartoken.web.render import Renderer
from smartoken.web.resources import Answer, Asked, Site
from smartoken.web.rests import Span, spans
from smartoken.web.views import PLAY

_SECOND_MS = 1_000


@dataclass(frozen=True, slots=True)
class Standing:
    """A model that answers here: how many routes it has, and how many of them rest."""

    served: ServedModel
    routes: int
    resting: int

    @property
    def state(self) -> str:
        """How it stands, in a word for programs."""
        if not self.resting:
            return "ok"
        return "fallback" if self.resting < self.routes else "down"


@dataclass(frozen=True, slots=True)
class Rested:
    """A time in which a route was not tried, as it is shown."""

    begin: datetime
    end: datetime | None
    what: str
    path: str  # of the model; empty: several
    cause: str
    rests: int
    seen: bool

    @property
    def lasted(self) -> str:
        """How long it rested, in words."""
        if self.end is None:
            return "rests now"
        return figures.lasting(int((self.end - self.begin).total_seconds() * _SECOND_MS))


def standings(site: Site) -> list[Standing]:
    """Return every model that answers here, the sandbox's last."""
    found = []
    for served in site.models:
        if served.ready:
            resting = sum(site.resting_s(each) > 0 for each in served.offers)
            found.append(Standing(served, len(served.offers), resting))
    return found


def rested(site: Site) -> list[Rested]:
    """Return what rested in the last day, newest first; what the sandbox acts is left out."""
    directory = site.directory.current
    offers = {
        each.offer.id: (served.model, each.provider) for served in directory.models.values() for each in served.offers
    }
    holders = {key.id: setup for setup in directory.providers.values() for key in setup.keys}

    def shown(span: Span) -> Rested | None:
        model, holder = offers.get(span.offer, (None, holders.get(span.key)))
        if (span.offer and model is None) or (model is not None and model.vendor == PLAY):
            return None
        if model is None and (holder is None or holder.id == PLAY):
            return None
        who = f" at {holder.id}" if holder is not None and directory.show_providers else ""
        what = f"{model.name}: a route{who}" if model is not None else f"A key{who}, at every model that it serves"
        known = span.cause in set(FailureClass)
        return Rested(
            begin=datetime.fromtimestamp(span.begin_ms // _SECOND_MS, UTC),
            end=None if span.end_ms is None else datetime.fromtimestamp(span.end_ms // _SECOND_MS, UTC),
            what=what,
            path=f"/models/{model.id}" if model is not None else "",
            cause=MEANINGS[FailureClass(span.cause)].means if known else span.cause.replace("_", " "),
            rests=span.rests,
            seen=span.seen,
        )

    return [each for each in map(shown, spans(site.rests(), site.now_ms())) if each is not None]


def status(renderer: Renderer, asked: Asked) -> Answer:
    """Return whether calls are taken now, which routes rest, and what rested in the last day."""
    site = renderer.site
    found = standings(site)
    real = [each for each in found if each.served.model.vendor != PLAY]
    return renderer.page(
        "status.html",
        kept=False,
        title="Status",
        description="Whether this gateway takes calls now, which models answer here, and which routes are resting.",
        path=asked.path,
        draining=site.not_ready(),
        models=real,
        cards=len(found) - len(real),
        down=sum(each.state == "down" for each in real),
        fallback=sum(each.state == "fallback" for each in real),
        rested=rested(site),
        now=datetime.fromtimestamp(site.now_ms() // _SECOND_MS, UTC),
    )


def status_json(renderer: Renderer, asked: Asked) -> Answer:
    """Return the same for programs."""
    del asked
    site = renderer.site
    models = [
        {"id": each.served.model.id, "routes": each.routes, "resting": each.resting, "state": each.state}
        for each in standings(site)
    ]
    said: dict[str, Any] = {"status": "draining" if site.not_ready() else "ready", "models": models}
    said["rested"] = [
        {
            "from": each.begin.isoformat().replace("+00:00", "Z"),
            "to": None if each.end is None else each.end.isoformat().replace("+00:00", "Z"),
            "what": each.what,
            "cause": each.cause,
        }
        for each in rested(site)
    ]
    return Answer(orjson.dumps(said), "application/json", kept=False)


def status_feed(renderer: Renderer, asked: Asked) -> Answer:
    """Return what rested in the last day as RSS."""
    del asked
    site = renderer.site
    items = [
        rss.Item(
            f"{each.what} rested",
            f"{site.address}{each.path or '/status'}",
            f"{each.what}:{each.begin.isoformat()}",
            each.begin,
            f"{each.cause.capitalize()}. {each.lasted.capitalize()}. Calls went to other routes where there are any.",
        )
        for each in rested(site)
    ]
    said = "Routes that rested in the last 24 hours."
    return Answer(rss.feed("SmarToken: status", f"{site.address}/status", said, items), rss.MEDIA, kept=False)
