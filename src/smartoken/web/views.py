"""What pages show of a model: one frozen row for lists, more for the model's own page. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from smartoken.billing.prices import scaled
from smartoken.catalog.offers import Abilities, Model, Price
from smartoken.operations.served import ServedModel
from smartoken.web import figures

PLAY = "sandbox"
CURRENT = "current"


@dataclass(frozen=True, slots=True)
class Row:
    """A model in a list."""

    id: str
    name: str
    family: str
    vendor: str
    status: str
    description: str
    context: int | None
    max_output: int | None
    input: int | None  # pico-units per token, of the band that short calls fall into
    cached: int | None
    output: int | None
    more_prices: str  # "bands", "hours" or both; empty: the three figures are all
    abilities: tuple[str, ...]  # of "tools", "json", "vision", "reasoning"
    released: date | None
    ready: bool
    play: bool
    missing: tuple[str, ...]
    regions: tuple[str, ...]

    @property
    def path(self) -> str:
        """The model's own page."""
        return f"/models/{self.id}"


def abilities(model: Model) -> tuple[str, ...]:
    """Return what a model is known to do, in the words of the filters."""
    can: Abilities = model.abilities
    known = (
        ("tools", can.tools),
        ("json", can.json_mode or can.json_schema),
        ("vision", can.vision or "image" in model.input_modalities),
        ("reasoning", model.reasoning.supported),
    )
    return tuple(name for name, fact in known if fact)


def row(served: ServedModel, regions: Sequence[str | None] = ()) -> Row:
    """Return a model as lists show it; ``regions`` are those of every offer the catalog knows."""
    model, price = served.model, served.price
    band = figures.first_band(price)
    notes = []
    if price is not None and len(price.bands) > 1:
        notes.append("bands")
    if price is not None and price.time_of_day is not None:
        notes.append("hours")
    return Row(
        id=model.id,
        name=model.name,
        family=model.family,
        vendor=model.vendor,
        status=model.status,
        description=model.description,
        context=model.context,
        max_output=model.max_output,
        input=band.input if band else None,
        cached=figures.cached_rate(band) if band else None,
        output=band.output if band else None,
        more_prices=" + ".join(notes),
        abilities=abilities(model),
        released=model.released,
        ready=served.ready,
        play=model.vendor == PLAY,
        missing=served.missing,
        regions=tuple(sorted({each for each in regions if each})),
    )


@dataclass(frozen=True, slots=True)
class BandRow:
    """One line of a price table."""

    when: str
    input: int
    cached: int
    cache_write: int
    output: int


def band_rows(price: Price) -> list[BandRow]:
    """Return a price's bands as lines."""
    rows = []
    before = None
    for band in price.bands:
        write = band.input if band.cache_write is None else band.cache_write
        when = figures.band_words(band, before)
        rows.append(BandRow(when, band.input, figures.cached_rate(band), write, band.output))
        before = band
    return rows


def price_rows(price: Price) -> list[BandRow]:
    """Return every rate that a call can meet: the bands, and what each comes to outside of the peak hours."""
    listed, hours = band_rows(price), price.time_of_day
    if hours is None:
        return listed

    def named(row: BandRow, when: str) -> str:
        return when if len(listed) == 1 else f"{row.when}, {when}"

    def off_peak(row: BandRow) -> BandRow:
        rates = (scaled(each, hours.off_peak_percent) for each in (row.input, row.cached, row.cache_write, row.output))
        return BandRow(named(row, "all other hours"), *rates)

    return [replace(each, when=named(each, "peak hours")) for each in listed] + [off_peak(each) for each in listed]


@dataclass(frozen=True, slots=True)
class Past:
    """A price that held for a time; amounts as the price book writes them, None where the model was not sold."""

    begins: str
    ends: str  # empty: it holds now
    input: str | None
    output: str | None
    bands: int
    version: str


def past(rows: Iterable[Mapping[str, Any]]) -> list[Past]:
    """Return a model's price history as lines."""
    found = []
    for each in rows:
        price = each["price"] or {}
        bands = price.get("bands") or ([price] if price else [])
        first = bands[0] if bands else {}
        found.append(
            Past(
                begins=str(each["from"])[:10],
                ends=str(each["to"] or "")[:10],
                input=first.get("input"),
                output=first.get("output"),
                bands=len(bands),
                version=str(each["price_version"] or ""),
            )
        )
    return found


def ahead(stages: Iterable[tuple[int, ServedModel | None]], now: Price | None) -> list[tuple[date, list[BandRow]]]:
    """Return the price changes that are published and lie ahead: the day and the bands, empty where it is not sold."""
    found = []
    for from_ms, served in stages:
        price = served.price if served is not None else None
        if price != now:
            day = datetime.fromtimestamp(from_ms // 1000, UTC).date()
            found.append((day, band_rows(price) if price is not None else []))
            now = price
    return found


def showcase(rows: Iterable[Row], count: int) -> list[Row]:
    """Return one model of each large family: the newest that is current and has a price."""
    families: dict[str, list[Row]] = {}
    for each in rows:
        if each.status == CURRENT and not each.play and each.input is not None:
            families.setdefault(each.family, []).append(each)
    largest = sorted(families.values(), key=lambda members: (-len(members), members[0].family))[:count]
    return [max(members, key=lambda each: (each.released or date.min, each.id)) for members in largest]
