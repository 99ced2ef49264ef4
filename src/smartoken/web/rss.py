"""RSS: a channel with its items. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from html import escape

MEDIA = "application/rss+xml; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that happened; ``mark`` tells it apart from every other one for good."""

    title: str
    link: str
    mark: str
    at: datetime
    said: str


def feed(title: str, link: str, said: str, items: Iterable[Item]) -> bytes:
    """Return a channel."""
    told = "".join(
        f"<item><title>{escape(each.title)}</title><link>{escape(each.link)}</link>"
        f'<guid isPermaLink="false">{escape(each.mark)}</guid>'
        f"<pubDate>{format_datetime(each.at)}</pubDate><description>{escape(each.said)}</description></item>"
        for each in items
    )
    head = f"<title>{escape(title)}</title><link>{escape(link)}</link><description>{escape(said)}</description>"
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<rss version="2.0"><channel>{head}{told}</channel></rss>\n'.encode()
    )
