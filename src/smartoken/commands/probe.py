"""``smartoken probe``: small real calls check what a dialect claims of its provider. What it may cost is said first.

The claims and verdicts are ``providers/probe``; here they meet the wire. The key comes from the environment or from
the store; the report and the fixtures never hold it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from smartoken.app import environment_keys, proxies
from smartoken.catalog.files import Catalog, load_catalog
from smartoken.catalog.offers import Model, Offer, Price
from smartoken.catalog.providers import offer_at
from smartoken.clock import SystemClock
from smartoken.commands.options import option, with_options
from smartoken.commands.terminal import FAILED, USAGE, RefusedError, invocation, say, say_json, table
from smartoken.money import NANO, amount_text, convert_nano, parse_amount
from smartoken.operations.environment import providers_of
from smartoken.operations.stored_models import stored_providers
from smartoken.providers import probe as claims
from smartoken.providers.client import UpstreamClient
from smartoken.providers.continuing import continued_path
from smartoken.providers.dial import tls_context
from smartoken.providers.dialect import Dialect
from smartoken.providers.probe_calls import ProbeCall, cost_bound_nano, probe_calls
from smartoken.providers.registry import DIALECTS
from smartoken.providers.setup import ProviderSetup
from smartoken.providers.upstream import Peer, UpstreamError
from smartoken.settings import Settings
from smartoken.store.database import Database, is_sqlite, sqlite_path
from smartoken.store.keyfile import secret_keys
from smartoken.store.vault import Vault

CAP_NANO = 50_000_000  # USD 0.05
MAX_ANSWER = 4 * 1024 * 1024
_KEPT_HEADERS = ("content-type", "date", "retry-after", "x-request-id", "server")
_WRONG_KEY = "sk-smartoken-probe-wrong-key-0000000000"


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be called, and the most that it can cost."""

    dialect: Dialect
    model: Model
    offer: Offer
    setup: ProviderSetup
    calls: tuple[ProbeCall, ...]
    left_out: tuple[ProbeCall, ...]
    cost_nano: int | None  # USD; None: no price is known


@dataclass(frozen=True, slots=True)
class Seen:
    """One call's verdict, and what came back."""

    call: ProbeCall
    result: claims.ClaimResult
    status: int
    headers: Mapping[str, str]
    body: bytes


@with_options(
    {
        "model": option(str | None, "The model to probe with; default the provider's cheapest.", "--model"),
        "base_url": option(str | None, "Another address of the provider, such as a mirror.", "--base-url"),
        "allow_private": option(bool, "Let --base-url be a private address.", "--allow-private", default=False),
        "cap": option(str, "The most that it may cost, in USD.", "--cap", default="0.05"),
        "dry_run": option(bool, "Print the calls and their cost, and send nothing.", "--dry-run", default=False),
        "record": option(bool, "Save the answers as fixtures, redacted.", "--record", default=False),
        "save": option(Path, "Folder for --record.", "--save", default=Path("probe-reports")),
        "json_output": option(bool, "Print one JSON document instead of text.", "--json", default=False),
    }
)
def probe(
    context: typer.Context,
    provider: Annotated[str, typer.Argument(help="A provider's id.", metavar="PROVIDER")],
    **options: Any,
) -> None:
    """Check a dialect's claims on a live provider with at most 25 small calls; exit 1 if one does not hold."""
    settings = invocation(context).settings()
    plan = _plan(settings, provider, options)
    quiet = options["json_output"]
    cost = "unknown, no price is known" if plan.cost_nano is None else f"at most USD {amount_text(plan.cost_nano)}"
    if not quiet:
        say(f"{len(plan.calls)} calls to {plan.setup.base_url}, model {plan.offer.upstream_model}; cost {cost}.")
        if plan.left_out:
            say(f"Left out for the cap: {', '.join(each.name for each in plan.left_out)}.")
    if options["dry_run"]:
        if quiet:
            say_json({"calls": [each.name for each in plan.calls], "cost_usd": _usd(plan.cost_nano)})
        return
    seen = asyncio.run(_run(settings, plan))
    recorded = _record(plan, seen, options["save"]) if options["record"] else None
    if quiet:
        rows = [
            {"claim": each.result.claim, "expected": each.result.expected, "seen": each.result.seen,
             "holds": each.result.holds} for each in seen
        ]  # fmt: skip
        say_json({"provider": provider, "cost_usd": _usd(plan.cost_nano), "claims": rows, "recorded": recorded})
    else:
        words = {True: "yes", False: "NO", None: "cannot tell"}
        lines = [(words[each.result.holds], each.result.claim, each.result.expected, each.result.seen) for each in seen]
        say(table(("holds", "claim", "expected", "seen"), lines))
        if recorded is not None:
            say(f"Recorded in {recorded}.")
    if any(each.result.holds is False for each in seen):
        raise typer.Exit(FAILED)


def _usd(nano: int | None) -> str | None:
    return None if nano is None else amount_text(nano)


def _plan(settings: Settings, provider: str, options: Mapping[str, Any]) -> Plan:
    catalog = load_catalog()
    setup = _setup(settings, catalog, provider)
    if options["base_url"] is not None:
        setup = replace(setup, base_url=options["base_url"].rstrip("/"), allow_private=options["allow_private"])
    model, offer = _offer(catalog, setup, options["model"])
    dialect = DIALECTS[setup.dialect]
    calls = probe_calls(dialect, model, offer)
    price = offer.price
    if price is None:
        return Plan(dialect, model, offer, setup, calls, (), None)
    cap, kept = parse_amount(options["cap"]), list(calls)
    while kept and _cost(catalog, dialect, kept, price) > cap:
        kept.pop()
    if not kept:
        raise RefusedError(f"Not even one call fits the cap of USD {options['cap']}; raise --cap.", USAGE)
    cost = _cost(catalog, dialect, kept, price)
    return Plan(dialect, model, offer, setup, tuple(kept), calls[len(kept) :], cost)


def _cost(catalog: Catalog, dialect: Dialect, calls: Sequence[ProbeCall], price: Price) -> int:
    """Return the bound in nano-USD, at the dearest band."""
    dearest_in = max(max(each.input, each.cache_write or 0) for each in price.bands)
    native = cost_bound_nano(dialect, calls, dearest_in, max(each.output for each in price.bands))
    fx = NANO if price.currency == "USD" else catalog.fx.newest(f"{price.currency}/USD").rate_nano
    return convert_nano(native, fx)


def _setup(settings: Settings, catalog: Catalog, provider: str) -> ProviderSetup:
    """Return the provider with a key, from the store or the environment.

    Raises:
        RefusedError: there is none; the variables that would hold a key are named.

    """
    found = {each.id: each for each in providers_of(catalog, environment_keys(settings, catalog), proxies(settings))}
    if not is_sqlite(settings.database_url) or sqlite_path(settings.database_url).exists():
        database = Database.open(settings.database_url, lock=False)
        try:
            vault = Vault(secret_keys(settings.secret_key, settings.data_dir))
            found.update({each.id: each for each in database.run_read(stored_providers, vault)})
        finally:
            database.close_sync()
    if provider in found:
        return found[provider]
    record = catalog.providers.get(provider)
    if record is None:
        known = ", ".join(sorted({*catalog.providers, *found}))
        raise RefusedError(f"There is no provider {provider!r}; known are {known}.", USAGE)
    raise RefusedError(f"{record.name} has no key here: set {' or '.join(record.env)} ({record.key_url}).", USAGE)


def _offer(catalog: Catalog, setup: ProviderSetup, wanted: str | None) -> tuple[Model, Offer]:
    """Return the model to probe with: the one that is named, else the cheapest with a price."""
    offers = [each for each in catalog.offers.values() if each.provider == setup.id and each.status == "current"]
    record = catalog.providers.get(setup.id)
    region = record.region(setup.region or record.default_region) if record is not None else None
    at_host = [offer_at(each, region) for each in offers] if region is not None else offers
    if wanted is not None:
        resolved = catalog.resolve(wanted)
        model_id = resolved[0].id if resolved is not None else wanted
        named = [each for each in at_host if each.model == model_id]
        if named:
            return catalog.models[named[0].model], named[0]
        model = Model(wanted, wanted, setup.id, setup.id, None, None)
        return model, Offer(f"{setup.id}:{wanted}", wanted, setup.id, wanted, None)
    priced = [each for each in at_host if each.price is not None and any(band.output for band in each.price.bands)]
    if not priced:
        raise RefusedError(f"The catalog has no priced model at {setup.id}; name one with --model.", USAGE)
    best = min(priced, key=lambda each: (each.price.bands[0].output if each.price else 0, each.id))
    return catalog.models[best.model], best


async def _run(settings: Settings, plan: Plan) -> list[Seen]:
    client = UpstreamClient(tls=tls_context(str(settings.ca_bundle) if settings.ca_bundle else None))
    try:
        return [await _one(client, plan, each) for each in plan.calls]
    finally:
        await client.close()


async def _one(client: UpstreamClient, plan: Plan, call: ProbeCall) -> Seen:
    setup = plan.setup
    peer = Peer.parse(setup.base_url, allow_private=setup.allow_private, proxy=setup.proxy, timeouts=setup.timeouts)
    key = _WRONG_KEY if call.wrong_key else setup.keys[0].secret.reveal()
    headers = [("authorization", f"Bearer {key}"), ("content-type", "application/json")]
    path = plan.dialect.chat_path
    elsewhere = continued_path(plan.dialect, peer.base_path) if call.path is not None else None
    if elsewhere is not None:  # such a path takes the place of the base URL's version
        peer, path = replace(peer, base_path=""), elsewhere
    try:
        response = await client.request(peer, "POST", path, headers, orjson.dumps(call.body))
        raw = await response.read(MAX_ANSWER)
    except UpstreamError as problem:
        result = claims.ClaimResult(call.claim, "an answer", f"{problem.message} ({problem.reason})", holds=None)
        return Seen(call, result, 0, {}, b"")
    result = claims.judge(plan.dialect, call, response.status, raw, response.headers)
    return Seen(call, result, response.status, response.headers, raw)


def _record(plan: Plan, seen: Sequence[Seen], folder: Path) -> str:
    """Write the report with bodies; every secret and every header that is not harmless is left out."""
    secrets = [each.secret.reveal() for each in plan.setup.keys]

    def clean(text: str) -> str:
        for each in secrets:
            text = text.replace(each, "***")
        return text

    now: datetime = SystemClock().now()
    report = {
        "provider": plan.setup.id,
        "dialect": plan.dialect.id,
        "base_url": plan.setup.base_url,
        "model": plan.offer.upstream_model,
        "at": now.isoformat(timespec="seconds"),
        "calls": [
            {
                "name": each.call.name,
                "claim": each.result.claim,
                "expected": each.result.expected,
                "seen": clean(each.result.seen),
                "holds": each.result.holds,
                "request": each.call.body,
                "status": each.status,
                "headers": {name: each.headers[name] for name in _KEPT_HEADERS if name in each.headers},
                "answer": clean(each.body.decode("utf-8", "replace")),
            }
            for each in seen
        ],
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{plan.setup.id}-{now:%Y-%m-%d}.json"
    path.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
    return str(path)
