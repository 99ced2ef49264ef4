"""A worker's directory, kept fresh: loaded anew when its revision moved, or when a moment comes that changes it."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from smartoken.catalog.files import Catalog
from smartoken.operations.directory import Directory, Extras, load
from smartoken.operations.price_store import keep
from smartoken.store import revisions
from smartoken.store.database import Database
from smartoken.store.vault import Vault

_logger = logging.getLogger(__name__)
REVISION_EVERY_S = 1.0


class DirectoryWatch:
    """This worker's current directory, loaded anew when its revision moved."""

    def __init__(self, db: Database, vault: Vault, catalog: Catalog, extras: Extras) -> None:
        self._db = db
        self._vault = vault
        self.catalog = catalog
        self._extras = extras
        self._current: Directory | None = None
        # Money's facts must never be older than the keys that they bind: a new key is not known before its budget is.
        self.before_publishing: Callable[[], Awaitable[None]] | None = None
        self._loading: asyncio.Task[Directory] | None = None
        # Only who serves keeps what it sells: a command that opens the store has neither sandbox nor the same keys.
        self.keeps_prices = False
        self._kept: object = None  # the prices that the store has, as they were last kept

    @property
    def current(self) -> Directory:
        """The newest directory that was loaded."""
        assert self._current is not None  # noqa: S101 - opened before anything asks
        return self._current

    async def refresh(self) -> Directory:
        """Load anew if something changed until now.

        A load that was under way when somebody came may have looked before what they look for was stored: they wait for
        it, and all who waited share the next one.
        """
        under_way = self._loading
        if under_way is not None and not under_way.done():
            await asyncio.wait({under_way})
        if self._loading is under_way:
            self._loading = asyncio.get_running_loop().create_task(self._load_if_moved())
        assert self._loading is not None  # noqa: S101 - made just now, or by another one who waited
        return await asyncio.shield(self._loading)

    async def _load_if_moved(self) -> Directory:
        known, now_ms = self._current, time.time_ns() // 1_000_000
        passed = known is not None and now_ms >= known.changes_ms
        if known is None or passed or await self._db.read(revisions.current) != known.revision:
            found = await self._db.read(load, self.catalog, self._vault, self._extras, now_ms)
            await self._keep_prices(found, now_ms)
            if self.before_publishing is not None:
                await self.before_publishing()
            self._current = found
        return self.current

    async def _keep_prices(self, found: Directory, now_ms: int) -> None:
        """Store every version before a call can be priced by it; without that, the old directory stays in use."""
        prices = found.prices
        if prices is not None and self.keeps_prices:
            state = (prices.versions.keys(), prices.in_force)
            if state != self._kept:
                await self._db.write(keep, prices, found.revision, now_ms)
                self._kept = state

    async def run(self) -> None:
        """Look at the revision each second until cancelled."""
        while True:
            await asyncio.sleep(REVISION_EVERY_S)
            try:
                await self.refresh()
            except Exception:  # the loop of a worker task: the old directory stays in use
                _logger.exception("the directory could not be loaded; the last one stays in use")
