"""The site over a directory that was loaded once; the database is closed before any page is asked for."""

import asyncio
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest

from smartoken.app import open_store
from smartoken.catalog.files import load_catalog
from smartoken.clock import SystemClock
from smartoken.control.application import build
from smartoken.control.resources import Control
from smartoken.operations.directory import load
from smartoken.operations.environment import sandbox_extras
from smartoken.operations.office import Office
from smartoken.settings import Settings
from smartoken.web.application import Web
from smartoken.web.assets import CHECKOUT, Assets
from smartoken.web.library import Library, docs_folder
from smartoken.web.resources import Site

NOW_MS = int(datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp()) * 1000
ADDRESS = "http://gate.test:8000"


@dataclass
class Said:
    """What the site answered."""

    status: int
    headers: dict
    body: bytes

    @property
    def text(self):
        return self.body.decode()


@dataclass
class Held:
    """A directory that tests may exchange."""

    current: object


@dataclass
class Visitor:
    """Asks a site without any server."""

    web: Web
    site: Site
    held: Held
    seen: dict = field(default_factory=dict)

    def ask(self, path, *, method="GET", form=None, headers=()):
        """Ask once; ``form`` is posted."""
        return asyncio.run(self._ask(path, method, form, list(headers)))

    async def _ask(self, path, method, form, headers):
        place, _, query = path.partition("?")
        body = urlencode(form).encode() if form is not None else b""
        named = headers if any(name == b"host" for name, _ in headers) else [(b"host", b"gate.test:8000"), *headers]
        scope = {"type": "http", "method": method, "path": place, "query_string": query.encode(), "headers": named}
        sent = []

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            sent.append(message)

        await self.web(scope, receive, send)
        head = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Said(sent[0]["status"], head, b"".join(each.get("body", b"") for each in sent[1:]))

    def page(self, path):
        """A page that must be there, asked for once in the whole run."""
        if path not in self.seen:
            self.seen[path] = self.ask(path)
        assert self.seen[path].status == 200, f"{path}: {self.seen[path].status}"
        return self.seen[path].text

    def addresses(self):
        """Every page of the site map."""
        return re.findall(rf"<loc>{re.escape(ADDRESS)}([^<]*)</loc>", self.page("/sitemap.xml"))


@pytest.fixture(scope="session")
def loaded(tmp_path_factory):
    """A directory with the whole catalog and the sandbox, and the description of the control plane."""
    settings = Settings.from_env({"SMARTOKEN_DATA_DIR": str(tmp_path_factory.mktemp("site"))})
    store = open_store(settings)
    catalog = load_catalog()
    directory = store.db.run_read(load, catalog, store.vault, sandbox_extras(9))
    office = Office(store.db, store.vault, store.pepper, catalog, SystemClock(), bytes)
    control = build(Control(office, Held(directory), lambda _token: None, settings.data_dir))
    store.db.close_sync()
    return directory, catalog, control.openapi


def visitor_of(loaded, **changes):
    """A visitor of a site of its own."""
    directory, catalog, openapi = loaded
    held = Held(directory)
    site = Site(
        directory=held,
        catalog=catalog,
        address=ADDRESS,
        library=Library(docs_folder()),
        assets=Assets((CHECKOUT / "frontend",)),
        openapi=openapi,
        not_ready=lambda: None,
        now_ms=lambda: NOW_MS,
        version="0.0.test",
        history=lambda _model: [],
        changes=list,
        rests=list,
        campaign=lambda _slug: None,
        resting_s=lambda _offer: 0.0,
        hosts=frozenset({"gate.test"}),
    )
    site = replace(site, **changes)
    return Visitor(Web(site), site, held)


@pytest.fixture(scope="session")
def visitor(loaded):
    """The visitor that tests share: pages do not change under it."""
    return visitor_of(loaded)


@pytest.fixture
def fresh(loaded):
    """Makes visitors of sites of their own."""
    return lambda **changes: visitor_of(loaded, **changes)
