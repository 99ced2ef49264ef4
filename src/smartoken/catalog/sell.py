"""The default sell price of a model, worked out from its vendor's list price and never typed. Pure.

The vendor's USD list where it has one; else its list in another currency times a dated exchange rate. The operator's
markup multiplies either. Each rate is rounded up to a whole pico-USD per token, so conversion never sells below cost.
Bands and hours carry over; a vendor's promotion does not, because it is not the list price.
"""

from dataclasses import replace
from decimal import Decimal

from smartoken.catalog.fx import FxTable
from smartoken.catalog.offers import Band, Offer, Price
from smartoken.money import NANO, convert_rate

NO_MARKUP = Decimal(1)


def list_price(offer: Offer) -> Price | None:
    """Return the offer's USD list, else its main list; None where no price is known."""
    prices = [each for each in (offer.price, *offer.prices_other) if each is not None]
    in_usd = [each for each in prices if each.currency == "USD"]
    return next(iter((*in_usd, *prices)), None)


def sell_price(listed: Price, fx: FxTable, markup: Decimal = NO_MARKUP) -> Price:
    """Return a list price in USD with the operator's markup, at the newest exchange rate of the table.

    Raises:
        FxUnknownError: the list is in a currency that the table cannot turn into USD.

    """
    if listed.currency == "USD":
        fx_nano, note = NANO, listed.note
    else:
        rate = fx.newest(f"{listed.currency}/USD")
        fx_nano = rate.rate_nano
        note = f"from {listed.currency} at the rate of {rate.valid_from.isoformat()}"
    return replace(
        listed,
        currency="USD",
        bands=tuple(_band(each, fx_nano, markup) for each in listed.bands),
        promotion=None,
        note=note,
    )


def _band(band: Band, fx_nano: int, markup: Decimal) -> Band:
    return replace(
        band,
        input=convert_rate(band.input, fx_nano, markup),
        output=convert_rate(band.output, fx_nano, markup),
        cached_input=_maybe(band.cached_input, fx_nano, markup),
        cache_write=_maybe(band.cache_write, fx_nano, markup),
        audio_input=_maybe(band.audio_input, fx_nano, markup),
    )


def _maybe(rate: int | None, fx_nano: int, markup: Decimal) -> int | None:
    return None if rate is None else convert_rate(rate, fx_nano, markup)
