"""Signed links of a campaign: whoever has one may claim, and nobody can make one. Pure.

A link's token names the campaign, the generation of its links and the instant from which it is void; the rest is an
HMAC over these. Nothing is stored of a link: an operator voids all of them by moving the campaign's generation on.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass

_DOMAIN = b"smartoken campaign link v1\0"
_FORM = re.compile(r"(camp_[0-9a-f]{32})\.([0-9]{1,9})\.([0-9]{1,15})\.([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Link:
    """What a token says; ``expires_ms`` 0 means never."""

    campaign_id: str
    generation: int
    expires_ms: int


def _mac(pepper: bytes, link: Link) -> str:
    text = f"{link.campaign_id}.{link.generation}.{link.expires_ms}"
    return hmac.new(pepper, _DOMAIN + text.encode("ascii"), hashlib.sha256).hexdigest()


def sign(pepper: bytes, link: Link) -> str:
    """Return the token of a link.

    Raises:
        ValueError: an empty pepper.

    """
    if not pepper:
        raise ValueError("the pepper is empty")
    return f"{link.campaign_id}.{link.generation}.{link.expires_ms}.{_mac(pepper, link)}"


def read(pepper: bytes, text: str) -> Link | None:
    """Return the link that a token was signed for, None where it was not signed here."""
    match = _FORM.fullmatch(text.strip())
    if match is None or not pepper:
        return None
    link = Link(match[1], int(match[2]), int(match[3]))
    return link if hmac.compare_digest(sign(pepper, link).encode("ascii"), match[0].encode("ascii")) else None
