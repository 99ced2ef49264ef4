"""Money as integers: nano-units for amounts, pico-units per token for rates. Pure.

An amount of money is an ``int`` of nano-units of its currency (1 USD = 1,000,000,000 nano-USD). A rate is an ``int``
of pico-units per token, which is the same number as micro-units per million tokens: USD 0.50 per 1M tokens is
500,000. A charge is the sum of tokens times rates, rounded up once per call. No float exists here; text that a
person or a file hands in becomes money only through the parsers below, which refuse what they cannot hold exactly.
"""

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import NewType

NanoUSD = NewType("NanoUSD", int)
PicoRate = NewType("PicoRate", int)

NANO = 1_000_000_000
MICRO = 1_000_000
PICO_PER_NANO = 1_000
MAX_AMOUNT_NANO = 10**18  # USD 1 billion; a larger figure is a typing mistake, and int64 columns end at 9.2e18

_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,12})(\.[0-9]{1,12})?")


class InvalidAmountError(ValueError):
    """The text is not a plain decimal number that the unit can hold exactly."""


def _scaled(text: str, places: int, what: str) -> int:
    if not isinstance(text, str) or not _DECIMAL.fullmatch(text):
        msg = f'{what} must be a decimal string such as "0.50", got {text!r}'
        raise InvalidAmountError(msg)
    whole, _, fraction = text.lstrip("-").partition(".")
    if len(fraction.rstrip("0")) > places:
        msg = f"{what} {text!r} has more than {places} decimal places"
        raise InvalidAmountError(msg)
    value = int(whole + fraction.rstrip("0").ljust(places, "0"))
    return -value if text.startswith("-") else value


def parse_amount(text: str) -> int:
    """Turn ``"10.00"`` into nano-units; at most nine decimal places.

    Raises:
        InvalidAmountError: not a plain decimal string, too fine or beyond one billion.

    """
    value = _scaled(text, 9, "amount")
    if abs(value) > MAX_AMOUNT_NANO:
        msg = f"amount {text!r} is beyond one billion"
        raise InvalidAmountError(msg)
    return value


def parse_rate(text: str) -> int:
    """Turn a price per 1M tokens such as ``"0.435"`` into pico-units per token; at most six decimal places.

    Raises:
        InvalidAmountError: not a plain non-negative decimal string, or finer than a micro-unit.

    """
    value = _scaled(text, 6, "price")
    if value < 0:
        msg = f"price {text!r} is negative"
        raise InvalidAmountError(msg)
    return value


def parse_fx(text: str) -> int:
    """Turn a rate such as ``"0.140874833"`` (units of the second currency for one of the first) into nano-units."""
    value = _scaled(text, 9, "rate")
    if value <= 0:
        msg = f"rate {text!r} must be above zero"
        raise InvalidAmountError(msg)
    return value


def _plain(value: int, places: int, least: int) -> str:
    sign = "-" if value < 0 else ""
    text = str(abs(value)).rjust(places + 1, "0")
    digits = text[-places:].rstrip("0").ljust(least, "0")
    return f"{sign}{text[:-places]}.{digits}" if digits else f"{sign}{text[:-places]}"


def amount_text(nano: int) -> str:
    """Return nano-units as the exact decimal string of JSON: at least two places, no trailing zeros beyond them."""
    return _plain(nano, 9, 2)


def rate_text(pico: int) -> str:
    """Return a rate as its exact price per 1M tokens, at least two places."""
    return _plain(pico, 6, 2)


def charge_nano(lines: Iterable[tuple[int, int]]) -> int:
    """Return nano-units for ``(tokens, pico rate)`` lines: summed exactly, rounded up once."""
    pico = 0
    for tokens, rate in lines:
        pico += tokens * rate
    return -(-pico // PICO_PER_NANO)


def convert_nano(amount: int, fx_nano: int) -> int:
    """Convert an amount to another currency, rounded away from zero, by a rate in nano-units per unit."""
    value = -(-abs(amount) * fx_nano // NANO)
    return -value if amount < 0 else value


def convert_rate(pico: int, fx_nano: int, markup: Decimal = Decimal(1)) -> int:
    """Convert a rate to another currency with a markup factor, rounded up to a whole pico-unit."""
    numerator, denominator = markup.as_integer_ratio()
    return -(-pico * fx_nano * numerator // (NANO * denominator))
