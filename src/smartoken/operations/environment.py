"""What is served beside the database: providers that the environment has keys for, and the sandbox's models.

Nothing here is stored. A provider's key variables, hosts and regions come from its catalog record; its catalog models
become callable with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from smartoken.catalog.files import Catalog
from smartoken.catalog.offers import Abilities, Band, DataPolicy, Model, Offer, Price, Reasoning
from smartoken.catalog.providers import ProviderRecord
from smartoken.operations.directory import Extras, ServedModel, ServedOffer
from smartoken.providers.proxy import Proxy
from smartoken.providers.setup import ProviderSetup, UpstreamKey
from smartoken.store.vault import Secret

SANDBOX = "sandbox"
OWN_SERVER = "upstream"
SANDBOX_CONTEXT = 32_768
SANDBOX_OUTPUT = 8_192
# Play money per 1M tokens: real enough to show what a charge looks like.
SANDBOX_PRICE = Price("USD", (Band(input=500_000, cached_input=50_000, output=1_500_000),), source="play money")
FREE = Price("USD", (Band(input=0, output=0),), source="your own server; set a sell price with `smartoken apply`")

# The cards that a newcomer may call by name; tests reach the others through a set-up file.
SANDBOX_CARDS: Mapping[str, str] = {
    "echo": "Answers with a short sentence that quotes you",
    "slow": "Waits before the first token",
    "rate-limited": "Refuses with 429 and Retry-After",
    "overloaded": "Refuses with 503",
    "out-of-credit": "The provider's account is empty",
    "cut-mid-stream": "Breaks off in the middle of the answer",
    "stalls": "Falls silent in the middle of the answer",
    "malformed-stream": "Sends a chunk that is not JSON",
    "no-usage": "Answers without reporting usage",
    "content-filter": "The content policy refuses the prompt",
    "truncated-json": "Answers with JSON that is cut half way, ended with length",
    "tool-call": "Calls the first tool that it is given",
    "reasoning": "Thinks before it answers",
    "worst-case": "Uses as much as the bound before the call allows",
}


class RegionError(ValueError):
    """A region setting names no region of its provider; the message lists those that it has."""


@dataclass(frozen=True, slots=True)
class EnvironmentKey:
    """A provider key of the environment: the variable it came from, and the region asked for."""

    variable: str
    secret: Secret
    region: str | None


def key_variables(catalog: Catalog) -> dict[str, str]:
    """Return every key variable and the provider that it enables."""
    return {each.name: record.id for record in catalog.providers.values() for each in record.keys}


def setup_of(record: ProviderRecord, key: EnvironmentKey, proxy: Proxy | None) -> ProviderSetup:
    """Return a provider's set-up for a key of the environment.

    Raises:
        RegionError: the region asked for is not one of the provider's.

    """
    region = record.region_for(key.variable)
    if key.region is not None:
        chosen = record.region(key.region)
        if chosen is None:
            setting = key.variable.removesuffix("_API_KEY") + "_REGION"
            known = ", ".join(each.id for each in record.regions)
            raise RegionError(f"{setting} is {key.region!r}; {record.name} has {known}")
        region = chosen
    upstream_key = UpstreamKey(f"env:{key.variable}", key.variable, key.secret)
    return ProviderSetup(
        record.id, record.dialect, region.base_url, (upstream_key,), proxy=proxy, region=region.id, origin="environment"
    )


def providers_of(catalog: Catalog, keys: Sequence[EnvironmentKey], proxy: Proxy | None) -> list[ProviderSetup]:
    """Return the providers that the environment's keys enable; the first key of a provider wins."""
    owners = key_variables(catalog)
    found: dict[str, ProviderSetup] = {}
    for key in keys:
        provider = owners[key.variable]
        if provider not in found:
            found[provider] = setup_of(catalog.providers[provider], key, proxy)
    return list(found.values())


def sandbox_extras(port: int) -> Extras:
    """Return the sandbox as a provider with one model a card."""
    key = UpstreamKey("sandbox", "sandbox", Secret("sandbox"))
    setup = ProviderSetup(
        SANDBOX, "openai", f"http://127.0.0.1:{port}/v1", (key,), allow_private=True, origin="sandbox"
    )
    # A key for each card, so that one that breaks or cools its key leaves the others well.
    keys = {name: UpstreamKey(f"{SANDBOX}/{name}", name, Secret("sandbox")) for name in SANDBOX_CARDS}
    cards = ((name, words, replace(setup, keys=(keys[name],))) for name, words in SANDBOX_CARDS.items())
    return Extras((setup,), tuple(_sandbox_model(*card) for card in cards))


def _sandbox_model(name: str, words: str, setup: ProviderSetup) -> ServedModel:
    model = Model(
        id=f"{SANDBOX}/{name}",
        name=f"Sandbox: {name}",
        family=SANDBOX,
        vendor=SANDBOX,
        context=SANDBOX_CONTEXT,
        max_output=SANDBOX_OUTPUT,
        abilities=Abilities(tools=True, json_mode=True, json_schema=True, vision=False),
        reasoning=Reasoning(supported=name == "reasoning", can_disable=True, limit_covers_reasoning=True),
        released=date(2026, 11, 1),
        description=f"{words}. Scripted, no model behind it; paid from play money.",
        price=SANDBOX_PRICE,
    )
    policy = DataPolicy(region="local", entity="this gateway", trains=False, logs=False)
    offer = Offer(f"{SANDBOX}:{name}", model.id, SANDBOX, name, SANDBOX_PRICE, policy=policy)
    return ServedModel(model, SANDBOX_PRICE, "sandbox", (ServedOffer(offer, setup, SANDBOX_PRICE),))


def own_server_extras(base_url: str, secret: Secret, names: Sequence[str]) -> Extras:
    """Return an OpenAI-like server of the operator's own with the models that it lists."""
    key = UpstreamKey("env:SMARTOKEN_UPSTREAM_KEY", "SMARTOKEN_UPSTREAM_KEY", secret)
    setup = ProviderSetup(OWN_SERVER, "openai", base_url, (key,), allow_private=True, origin="environment")
    models = []
    for name in names:
        model = Model(f"{OWN_SERVER}/{name}", name, OWN_SERVER, OWN_SERVER, None, None, price=FREE)
        offer = Offer(f"{OWN_SERVER}:{name}", model.id, OWN_SERVER, name, FREE)
        models.append(ServedModel(model, FREE, "own-server", (ServedOffer(offer, setup, FREE),)))
    return Extras((setup,), tuple(models))


def joined(parts: Sequence[Extras]) -> Extras:
    """Return several extras as one."""
    return Extras(
        tuple(each for part in parts for each in part.providers), tuple(each for part in parts for each in part.models)
    )
