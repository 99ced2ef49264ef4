"""What ``apply`` stored of providers, models and offers, read back into the shapes of catalog and providers.

Definitions are kept as the set-up file says them (amounts as decimal strings), so that ``export`` gives back what was
applied.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from typing import Any

import sqlalchemy as sa

from smartoken.catalog.offers import (
    Abilities,
    Band,
    DataPolicy,
    Model,
    Offer,
    Price,
    Promotion,
    Reasoning,
    TimeOfDay,
)
from smartoken.money import parse_rate
from smartoken.providers.proxy import Proxy
from smartoken.providers.setup import ProviderSetup, UpstreamKey
from smartoken.providers.upstream import Timeouts
from smartoken.store.schema import models, offers, provider_keys, providers
from smartoken.store.vault import Place, Secret, Vault


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A model of the set-up file with its offers, first tier first."""

    model: Model
    price_version: str
    offers: tuple[Offer, ...]


def key_place(key_id: str) -> Place:
    """Return where a provider key's ciphertext lives."""
    return Place("provider_keys", key_id, "wrapped_secret")


def stored_providers(conn: sa.Connection, vault: Vault) -> list[ProviderSetup]:
    """Return the enabled providers with their enabled keys, opened."""
    keys: dict[str, list[UpstreamKey]] = {}
    for row in conn.execute(sa.select(provider_keys).order_by(provider_keys.c.id)).mappings():
        if row["enabled"]:
            secret = Secret(vault.unwrap(row["wrapped_secret"], key_place(row["id"])).decode())
            key = UpstreamKey(row["id"], row["name"], secret, row["rpm"], row["concurrency"])
            keys.setdefault(row["provider_id"], []).append(key)
    found = []
    for row in conn.execute(sa.select(providers).order_by(providers.c.id)).mappings():
        if row["enabled"]:
            options = row["options"] or {}
            found.append(
                ProviderSetup(
                    id=row["id"],
                    dialect=row["dialect"],
                    base_url=row["base_url"],
                    keys=tuple(keys.get(row["id"], ())),
                    allow_private=row["allow_private"],
                    timeouts=Timeouts(**(row["timeouts"] or {})),
                    proxy=Proxy.parse(options["proxy"]) if options.get("proxy") else None,
                    region=options.get("region"),
                )
            )
    return found


def read_price(stored: Mapping[str, Any] | None) -> Price | None:
    """Return a stored price; flat rates are one band."""
    if stored is None:
        return None
    bands = tuple(_band(each) for each in stored.get("bands") or [stored])
    hours, promotion = stored.get("time_of_day"), stored.get("promotion")
    return Price(
        currency=stored["currency"],
        bands=bands,
        time_of_day=_hours(hours) if hours else None,
        promotion=_promotion(promotion) if promotion else None,
        source=stored.get("source", "set-up file"),
        source_date=stored.get("source_date", ""),
    )


def _band(stored: Mapping[str, Any]) -> Band:
    def rate(name: str) -> int | None:
        return parse_rate(stored[name]) if stored.get(name) is not None else None

    return Band(
        input=parse_rate(stored["input"]),
        output=parse_rate(stored["output"]),
        cached_input=rate("cached_input"),
        cache_write=rate("cache_write"),
        up_to_prompt_tokens=stored.get("up_to_prompt_tokens"),
        up_to_output_tokens=stored.get("up_to_output_tokens"),
        thinking=stored.get("thinking"),
    )


def _hours(stored: Mapping[str, Any]) -> TimeOfDay:
    return TimeOfDay(
        zone=stored["zone"],
        peak=tuple((time.fromisoformat(start), time.fromisoformat(end)) for start, end in stored["peak"]),
        weekdays=tuple(stored["weekdays"]),
        holidays=stored.get("holidays"),
        off_peak_percent=stored["off_peak_percent"],
    )


def _promotion(stored: Mapping[str, Any]) -> Promotion:
    return Promotion(
        percent=stored["percent"],
        until=date.fromisoformat(str(stored["until"])),
        zone=stored["zone"],
        note=stored.get("note", ""),
    )


def read_model(model_id: str, stored: Mapping[str, Any]) -> Model:
    """Return a stored model."""
    abilities = stored.get("abilities") or {}
    reasoning = stored.get("reasoning") or {}
    return Model(
        id=model_id,
        name=stored.get("name", model_id),
        family=stored.get("family", model_id.partition("/")[0]),
        vendor=stored.get("vendor", model_id.partition("/")[0]),
        context=stored.get("context"),
        max_output=stored.get("max_output"),
        input_modalities=tuple(stored.get("input_modalities") or ("text",)),
        abilities=Abilities(**abilities),
        reasoning=Reasoning(**{**reasoning, "efforts": tuple(reasoning.get("efforts") or ())}),
        price=read_price(stored.get("price")),
        source="set-up file",
    )


def read_offer(row: Mapping[str, Any]) -> Offer:
    """Return a stored offer."""
    stored = row["definition"] or {}
    return Offer(
        id=row["id"],
        model=row["model_id"],
        provider=row["provider_id"],
        upstream_model=row["upstream_model"],
        price=read_price(stored.get("cost")),
        policy=DataPolicy(**(stored.get("policy") or {})),
        context=stored.get("context"),
        max_output=stored.get("max_output"),
        tier=row["tier"],
        share=row["share"],
        cancel=stored.get("cancel", "cancel"),
    )


def stored_models(conn: sa.Connection) -> list[StoredModel]:
    """Return the enabled models of the set-up file."""
    by_model: dict[str, list[Offer]] = {}
    order = (offers.c.tier, offers.c.share.desc(), offers.c.id)
    for row in conn.execute(sa.select(offers).order_by(*order)).mappings():
        if row["enabled"]:
            by_model.setdefault(row["model_id"], []).append(read_offer(dict(row)))
    found: Sequence[Any] = conn.execute(sa.select(models).order_by(models.c.id)).mappings().all()
    return [
        StoredModel(
            read_model(row["id"], row["definition"]),
            str(row["definition"].get("price_version", "apply")),
            tuple(by_model.get(row["id"], ())),
        )
        for row in found
        if row["enabled"]
    ]
