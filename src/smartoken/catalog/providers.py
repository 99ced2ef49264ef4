"""The companies that make offers: hosts by region, the variables that hold keys, data policy. Pure."""

from dataclasses import dataclass, field, replace

from smartoken.catalog.offers import DataPolicy, Offer, Price


@dataclass(frozen=True, slots=True)
class Region:
    """One host of a provider; keys of one region are refused by the others unless the provider says otherwise."""

    id: str  # "cn-beijing", "intl" ...
    base_url: str
    location: str  # in words, as the source puts it
    currency: str  # what this host bills in
    aliases: tuple[str, ...] = ()  # shorter words for the region setting
    policy: DataPolicy = field(default_factory=DataPolicy)

    @property
    def entity(self) -> str | None:
        """The contracting company, where a source names it."""
        return self.policy.entity


@dataclass(frozen=True, slots=True)
class KeyVariable:
    """An environment variable that holds a key, and the region that such a key belongs to by default."""

    name: str
    region: str

    @property
    def region_setting(self) -> str:
        """The variable that chooses another region: ``ZAI_API_KEY`` has ``ZAI_REGION``."""
        return self.name.removesuffix("_API_KEY") + "_REGION"


@dataclass(frozen=True, slots=True)
class ProviderRecord:
    """What the catalog knows of a provider before anyone configured it."""

    id: str
    name: str
    name_zh: str
    dialect: str  # of providers/registry.py
    keys: tuple[KeyVariable, ...]
    regions: tuple[Region, ...]
    default_region: str
    key_url: str  # where a person gets a key
    concurrency_per_account: bool = False  # more keys of one account do not help
    notes: str = ""

    @property
    def env(self) -> tuple[str, ...]:
        """The names of the variables that hold a key, the preferred one first."""
        return tuple(each.name for each in self.keys)

    def region(self, name: str) -> Region | None:
        """Return the region of this id or alias, in any case; None where there is none."""
        wanted = name.lower()
        return next((each for each in self.regions if wanted in (each.id, *each.aliases)), None)

    def region_for(self, variable: str) -> Region:
        """Return the region that a key in this variable belongs to unless its region setting says otherwise."""
        chosen = next((each.region for each in self.keys if each.name == variable), self.default_region)
        return next(each for each in self.regions if each.id == chosen)


def cost_price(offer: Offer, region: Region) -> Price | None:
    """Return what the offer costs at a region's host: that region's list, else one in its currency, else the main one.

    None where no price is known.
    """
    prices = [each for each in (offer.price, *offer.prices_other) if each is not None]
    by_region = [each for each in prices if each.region == region.id]
    by_currency = [each for each in prices if each.currency == region.currency]
    return next(iter((*by_region, *by_currency, *prices)), None)


def offer_at(offer: Offer, region: Region) -> Offer:
    """Return an offer as it stands at one of its provider's hosts: that host's price and data policy.

    Whoever serves an offer through a host other than the default one must ask here: another host means another
    contracting company, and what is known of one says nothing of the other.
    """
    policy = region.policy if offer.policy_of_host else offer.policy
    return replace(offer, price=cost_price(offer, region), policy=policy)
