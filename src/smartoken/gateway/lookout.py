"""Keys in URLs: a proxy, a browser and a log on the way have seen such a key, so its owner is told.

The call itself is answered as ever, since a key in the query is not taken as a credential anyway. Only keys that are
known here cost more than a look at the text, and each of them once.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from urllib.parse import unquote

from smartoken.identity.keys import PREFIX, digest, found_in
from smartoken.operations.directory import Directory

_logger = logging.getLogger(__name__)
Report = Callable[[str, str], Awaitable[object]]  # (key id, where)
PLACE = "the URL of a request to /v1"


class Lookout:
    """Looks at the queries of one worker's requests."""

    __slots__ = ("_current", "_pepper", "_report", "_seen", "_tasks")

    def __init__(self, pepper: bytes, current: Callable[[], Directory], report: Report) -> None:
        self._pepper = pepper
        self._current = current
        self._report = report
        self._seen: set[bytes] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def notice(self, query: bytes) -> None:
        """Look for keys in a query; what is found is reported behind the request's back."""
        text = unquote(query.decode("latin-1"))
        if PREFIX not in text:
            return
        known = self._current().keys
        for each in found_in(text):
            found = digest(self._pepper, each)
            entry = known.get(found)
            if entry is not None and found not in self._seen:
                self._seen.add(found)
                task = asyncio.get_running_loop().create_task(self._tell(entry.caller.key.id, found))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _tell(self, key_id: str, found: bytes) -> None:
        try:
            await self._report(key_id, PLACE)
        except Exception:  # the edge of a task: the next request with this key tries again
            _logger.exception("a key in a URL could not be reported")
            self._seen.discard(found)
