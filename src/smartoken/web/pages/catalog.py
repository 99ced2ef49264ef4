"""Models: the list with its filters, a model's own page, two to four beside each other, and the families."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from markupsafe import Markup, escape

from smartoken.billing.prices import tariff
from smartoken.catalog.offers import DataPolicy, Offer
from smartoken.operations.served import ServedModel
from smartoken.providers.registry import DIALECTS
from smartoken.tokens import TokenUsage
from smartoken.web import figures, filters, quirks, samples, views
from smartoken.web.pages.menus import docs_menu
from smartoken.web.render import Renderer
from smartoken.web.resources import Answer, Asked, Site, moved
from smartoken.web.views import Row

_COMPARED = 4
_NEAR = 4
_ANY_MODEL = "maker/any-model-of-all"
_ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)  # the list rates hold whenever: hours and promotions are taken out
_MIX = (("in", 3_000, 2_000_000), ("cached", 0, 2_000_000), ("out", 500, 500_000), ("calls", 1_000, 100_000_000))
ABILITY_WORDS = {"tools": "Tools", "json": "JSON", "vision": "Vision", "reasoning": "Reasoning"}


def all_rows(renderer: Renderer) -> list[Row]:
    """Return every model as lists show it, with the regions of all offers."""
    site = renderer.site
    return renderer.once("rows", lambda: [row_of(site, each) for each in site.models])


def row_of(site: Site, served: ServedModel) -> Row:
    """Return one model as lists show it."""
    offers = site.catalog.offers_of(served.model.id) or tuple(each.offer for each in served.offers)
    return views.row(served, [each.policy.region for each in offers])


def models(renderer: Renderer, asked: Asked) -> Answer:
    """Return the list of models; every filter is in the address."""
    rows = all_rows(renderer)
    wanted = filters.read(asked.query)
    found = filters.apply(rows, wanted)
    shown, pages = filters.page_of(found, wanted.page)
    families = sorted({each.family for each in rows if not each.play})
    return renderer.page(
        "models.html",
        title="Models",
        description="Chinese language models with price, context, abilities, data region and whether they answer here.",
        path=asked.path,
        wanted=wanted,
        rows=shown,
        count=sum(not each.play for each in found),
        cards=sum(each.play for each in found),
        total=sum(each.status == views.CURRENT and not each.play for each in rows),
        pages=pages,
        families=families,
        sorts={name: label for name, (label, _) in filters.SORTS.items()},
        contexts=filters.CONTEXTS,
        can=ABILITY_WORDS,
    )


@dataclass(frozen=True, slots=True)
class Place:
    """One provider that offers a model, as its page shows it."""

    provider: str
    region: str
    policy: DataPolicy
    cost: str
    source: str
    source_date: str
    status: str
    here: bool
    variable: str
    key_url: str
    notes: str


def model(renderer: Renderer, asked: Asked) -> Answer | None:
    """Return a model's own page; another of its names leads there."""
    site = renderer.site
    wanted = asked.parts["model"]
    served = site.directory.current.models.get(wanted.lower())
    if served is None or served.model.id != wanted:
        found = site.catalog.resolve(wanted) if served is None else (served.model, None)
        return moved(f"/models/{found[0].id}") if found is not None else None
    facts = served.model
    row = row_of(site, served)
    offers = site.catalog.offers_of(facts.id) or tuple(each.offer for each in served.offers)
    dialect = _dialect(site, served, offers)
    return renderer.page(
        "model.html",
        title=facts.name,
        description=f"{facts.name}: {facts.description} Price, context, abilities, where data goes, and sample code.",
        path=asked.path,
        row=row,
        model=facts,
        served=served,
        bands=views.band_rows(served.price) if served.price is not None else [],
        rates=views.price_rows(served.price) if served.price is not None else [],
        past=views.past(site.history(facts.id)),
        ahead=_ahead(site, served),
        places=_places(site, served, offers) if site.directory.current.show_providers else [],
        sources=_sources(offers),
        family=_family_name(site, facts.family),
        hidden=not site.directory.current.show_providers,
        quirks=quirks.quirks(DIALECTS[dialect], offers[0].upstream_model) if dialect and offers else [],
        samples=_samples(renderer, facts.id),
        abilities=_abilities(served),
        near=_near(renderer, row),
        has_family=f"/families/{facts.family}" in site.library.pages or not row.play,
    )


def _samples(renderer: Renderer, model: str) -> list[Markup]:
    """Return a model's samples; they are coloured once for all models, which differ in their ids alone."""

    def coloured() -> list[Markup]:
        texts = samples.for_model(renderer.site.address, _ANY_MODEL)
        return [renderer.code(text, language, tab=name) for name, language, text in texts]

    return [each.replace(_ANY_MODEL, escape(model)) for each in renderer.once("samples", coloured)]


def _ahead(site: Site, served: ServedModel) -> list[tuple[date, list[views.BandRow]]]:
    prices = site.directory.current.prices
    later = prices.stages[1:] if prices is not None else ()
    name = served.model.id.lower()
    return views.ahead([(each.from_ms, each.models.get(name)) for each in later], served.price)


def _dialect(site: Site, served: ServedModel, offers: Sequence[Offer]) -> str | None:
    if served.offers:
        return served.offers[0].provider.dialect
    record = site.catalog.providers.get(offers[0].provider) if offers else None
    return record.dialect if record is not None else None


def _places(site: Site, served: ServedModel, offers: Sequence[Offer]) -> list[Place]:
    here = {each.offer.provider: each.offer for each in served.offers}
    found = []
    for listed in offers:
        offer = here.get(listed.provider, listed)
        record = site.catalog.providers.get(offer.provider)
        band = figures.first_band(offer.price)
        sign = {"USD": "$", "CNY": "¥"}.get(offer.price.currency, "") if offer.price is not None else ""
        cost = (
            " / ".join(sign + figures.exact_price(each)[1:] for each in (band.input, band.output))
            if band is not None
            else figures.UNKNOWN
        )
        found.append(
            Place(
                provider=record.name if record is not None else offer.provider,
                region=figures.region(offer.policy.region),
                policy=offer.policy,
                cost=cost,
                source=offer.price.source if offer.price is not None else "",
                source_date=offer.price.source_date if offer.price is not None else "",
                status=offer.status,
                here=offer.provider in here,
                variable=record.env[0] if record is not None and record.env else "",
                key_url=record.key_url if record is not None else "",
                notes=offer.notes,
            )
        )
    return found


def _sources(offers: Sequence[Offer]) -> list[tuple[str, str, list[str]]]:
    """Return where the data policies were read: (source, date, whose regions), each source once."""
    found: dict[tuple[str, str], list[str]] = {}
    for each in offers:
        if each.policy.source:
            found.setdefault((each.policy.source, each.policy.source_date), []).append(each.provider)
    return [(source, read, names) for (source, read), names in found.items()]


def _family_name(site: Site, family: str) -> str:
    page = site.library.pages.get(f"/families/{family}")
    return (page.title if page is not None else family.capitalize()).removesuffix(" models")


def _abilities(served: ServedModel) -> list[tuple[str, str, str]]:
    model, can, think = served.model, served.model.abilities, served.model.reasoning
    rows = [
        ("Tool calls", figures.yes_no(can.tools), "tools, tool_choice"),
        ("JSON mode", figures.yes_no(can.json_mode), "response_format: json_object"),
        ("JSON schema", figures.yes_no(can.json_schema), "response_format: json_schema"),
        ("Images in the prompt", figures.yes_no("image" in model.input_modalities), "image_url parts"),
        ("Continue a given beginning", figures.yes_no(can.prefix), "prefix"),
        ("Prompt cache", can.cache or "unknown", "automatic where implicit"),
        ("Thinking", "yes" if think.supported else "no", "reasoning_effort, enable_thinking"),
    ]
    if think.supported:
        rows.append(("Thinking can be switched off", figures.yes_no(think.can_disable), "reasoning_effort: none"))
        rows.append(("Thinks unless told not to", figures.yes_no(think.default_on), "nothing: the default"))
        if think.efforts:
            rows.append(("Effort words", ", ".join(think.efforts), "reasoning_effort"))
        rows.append(("`max_tokens` covers thinking", figures.yes_no(think.limit_covers_reasoning), "max_tokens"))
    return rows


def abilities(renderer: Renderer, asked: Asked) -> Answer:
    """Return what each current model takes, all beside each other."""
    rows = []
    for served in renderer.site.models:
        model, can, think = served.model, served.model.abilities, served.model.reasoning
        if model.status != views.CURRENT or model.vendor == views.PLAY:
            continue
        off = figures.yes_no(think.can_disable) if think.supported else ""
        facts = (can.tools, can.json_mode, can.json_schema, "image" in model.input_modalities, can.prefix)
        words = [*map(figures.yes_no, facts), can.cache or "unknown", "yes" if think.supported else "no", off]
        rows.append((model, [*words, ", ".join(think.efforts) if think.supported else ""]))
    return renderer.page(
        "abilities.html",
        title="What each model takes",
        description="Tools, JSON mode and schema, images, prefix, caching and thinking of every current model.",
        path=asked.path,
        rows=sorted(rows, key=lambda row: row[0].name.lower()),
        groups=docs_menu(renderer),
    )


def _near(renderer: Renderer, row: Row) -> list[Row]:
    """Return current models that are closest in price, of other families first."""
    if row.output is None:
        return []
    others = [
        each
        for each in all_rows(renderer)
        if each.output is not None and not each.play and each.id != row.id and each.status == views.CURRENT
    ]
    nearest = sorted(others, key=lambda each: (each.family == row.family, abs((each.output or 0) - (row.output or 0))))
    return nearest[:_NEAR]


@dataclass(frozen=True, slots=True)
class Mix:
    """The tokens of one call and how many calls: what a calculator is asked."""

    prompt: int
    cached: int
    answer: int
    calls: int


def mix_of(asked: Asked) -> Mix:
    """Read a calculator's fields; what is no number counts as the usual one."""
    values = []
    for name, usual, most in _MIX:
        text = asked.one(name).replace(",", "").replace(" ", "")
        values.append(min(int(text), most) if re.fullmatch(r"[0-9]{1,12}", text) else usual)
    prompt, cached, answer, calls = values
    return Mix(prompt, min(cached, prompt), answer, calls)


def cost_of(served: ServedModel, mix: Mix) -> int | None:
    """Return what so many calls of a mix cost at the list price, in nano-USD; None without a price."""
    if served.price is None:
        return None
    listed = replace(served.price, time_of_day=None, promotion=None)
    usage = TokenUsage(prompt=mix.prompt, completion=mix.answer, cached=mix.cached)
    thinking = bool(served.model.reasoning.supported and served.model.reasoning.default_on)
    one = tariff(listed, _ANY_TIME, lambda _calendar, _day: False).charge(usage, thinking=thinking)
    return one.nano * mix.calls


def compare(renderer: Renderer, asked: Asked) -> Answer:
    """Return two to four models beside each other, with what a mix of tokens costs at each."""
    site = renderer.site
    known = site.directory.current.models
    names = list(dict.fromkeys(each.lower() for each in asked.query.get("m", ()) if each.lower() in known))[:_COMPARED]
    rows = [row_of(site, known[each]) for each in names]
    if not rows:
        rows = views.showcase(all_rows(renderer), 2)
        names = [each.id for each in rows]
    mix = mix_of(asked)
    columns = [(row, known[name], cost_of(known[name], mix)) for row, name in zip(rows, names, strict=True)]
    near = [each for each in _near(renderer, rows[0]) if each.id not in {row.id for row in rows}]
    return renderer.page(
        "compare.html",
        title="Compare models",
        description="Two to four models side by side: price, context, abilities, and what your own calls would cost.",
        path=asked.path,
        columns=columns,
        abilities=[_abilities(served) for _, served, _ in columns],
        mix=mix,
        near=near if len(rows) < _COMPARED else [],
        choices=[each for each in all_rows(renderer) if each.status == views.CURRENT],
        most=_COMPARED,
    )


def family_title(name: str, rows: Sequence[Row]) -> str:
    """Return a family's name as its members write it."""
    first = next(each.name for each in rows if each.family == name)
    return f"{re.split(r'[ -]', first)[0]} models"


def families(renderer: Renderer, asked: Asked) -> Answer:
    """Return the list of model families."""
    rows = [each for each in all_rows(renderer) if not each.play]
    named = sorted({each.family for each in rows})
    pages = renderer.site.library.pages
    cards = []
    for name in named:
        members = [each for each in rows if each.family == name and each.status == views.CURRENT]
        page = pages.get(f"/families/{name}")
        title = page.title if page is not None else family_title(name, rows)
        said = page.description if page is not None else "Facts from the catalog: members, prices, regions, thinking."
        least = min((each.input or 0 for each in members if each.input), default=None)
        cards.append((name, title, said, len(members), least))
    return renderer.page(
        "families.html",
        title="Model families",
        description="Chinese model families in English: members, prices, how thinking is switched, where data goes.",
        path=asked.path,
        cards=sorted(cards, key=lambda card: -card[3]),
        rendered=renderer.markdown(pages[asked.path]) if asked.path in pages else None,
    )


def family(renderer: Renderer, asked: Asked) -> Answer | None:
    """Return one family: its facts from the catalog, and its text where the docs have one."""
    site = renderer.site
    name = asked.parts["family"]
    members = [each for each in all_rows(renderer) if each.family == name and not each.play]
    if not members:
        return None
    document = site.library.pages.get(asked.path)
    served = [site.directory.current.models[each.id] for each in members]
    vendors = {each.vendor for each in members}
    records = {
        offer.provider: site.catalog.providers[offer.provider]
        for each in members
        for offer in site.catalog.offers_of(each.id)
    }
    title = document.title if document is not None else family_title(name, members)
    return renderer.page(
        "family.html",
        title=title,
        description=(
            document.description if document is not None else f"{title}: members, prices, data regions, thinking."
        ),
        path=asked.path,
        family=name,
        rendered=renderer.markdown(document) if document is not None else None,
        rows=filters.apply(members, filters.Filter(older=True)),
        thinking=[(each.model, each.model.reasoning) for each in served if each.model.status == views.CURRENT],
        vendors=sorted(vendors),
        records=list(records.values()) if site.directory.current.show_providers else [],
    )
