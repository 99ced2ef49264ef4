"""What the web plane is given by ``app``, opened once and passed in; and what a page is asked and answers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Protocol

from smartoken.catalog.files import Catalog
from smartoken.operations.directory import Directory
from smartoken.operations.served import ServedModel, ServedOffer
from smartoken.web.assets import Assets
from smartoken.web.library import Library


class DirectoryView(Protocol):
    """The current directory of this worker."""

    @property
    def current(self) -> Directory:
        """The newest directory that was loaded."""


@dataclass(frozen=True, slots=True)
class Site:
    """The web plane's resources. ``hosts`` are the names it answers to (without port); None: to any.

    Pages come from the directory that the worker holds in memory anyway. Four kinds read the store, once each: a
    model's page (the history of its price), the changelog (changes of prices), the status (what rested) and a campaign.
    """

    directory: DirectoryView
    catalog: Catalog
    address: str  # as samples name it: http://127.0.0.1:8000
    library: Library
    assets: Assets
    openapi: Callable[[], Mapping[str, Any]]  # the control plane's own description
    not_ready: Callable[[], str | None]
    version: str
    history: Callable[[str], Sequence[Mapping[str, Any]]]  # a model's prices, newest first: one read of the store
    changes: Callable[[], Sequence[Mapping[str, Any]]]  # of prices, newest first: one read of the store
    campaign: Callable[[str], Mapping[str, Any] | None]  # its published rules, by short name: one read of the store
    rests: Callable[[], Sequence[Mapping[str, Any]]]  # transitions of breakers in the last day: one read of the store
    now_ms: Callable[[], int]
    resting_s: Callable[[ServedOffer], float]  # how long a route is not tried, 0: it is in use
    hosts: frozenset[str] | None = None
    data_dir: Path | None = None  # told to visitors of this very machine alone, so that samples run from any folder

    def today(self) -> date:
        """Return the day, in UTC."""
        return datetime.fromtimestamp(self.now_ms() // 1000, UTC).date()

    @property
    def models(self) -> list[ServedModel]:
        """Every model that a visitor may see, by id; the sandbox's come last."""
        found = self.directory.current.models.values()
        return sorted(found, key=lambda each: (each.model.vendor == "sandbox", each.model.id))


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of a visitor: path parameters by name, query parameters in the order in which they came."""

    path: str
    query: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    parts: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)

    def one(self, name: str, otherwise: str = "") -> str:
        """Return the first value of a query parameter."""
        return next(iter(self.query.get(name, ())), otherwise)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back. ``kept``: the same for everybody until the directory changes."""

    body: bytes
    media: str = "text/html; charset=utf-8"
    status: int = 200
    location: str | None = None
    kept: bool = True


def text_answer(text: str, media: str = "text/plain; charset=utf-8") -> Answer:
    """Return plain text as an answer."""
    return Answer(text.encode(), media)


def moved(location: str) -> Answer:
    """Send the visitor elsewhere for good."""
    return Answer(b"", status=308, location=location)
