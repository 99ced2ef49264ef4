"""The web plane as one ASGI callable: the guards, the addresses, and pages kept as bytes.

A page is the same for every visitor, so its bytes are kept by address until the directory, the assets or the day
change; what is not kept yet is rendered in a thread, so that no stream waits for a page. Every answer carries the
strict policy for content: scripts and styles from here alone, one inline line by its hash.
"""

import asyncio
import base64
import hashlib
import logging
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from smartoken.web.addresses import find
from smartoken.web.blocks import BLOCKS
from smartoken.web.pages.mishaps import failed, no_page, not_here, wrong_method
from smartoken.web.render import THEME_LINE, Renderer
from smartoken.web.resources import Answer, Asked, Site

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGI = Callable[[Scope, Receive, Send], Awaitable[None]]

_MAX_QUERY, _MAX_FORM = 2_000, 200_000
_MOST_KEPT, _MOST_KEPT_BYTES = 4_000, 96 * 1024 * 1024
_FOUND, _NOT_MODIFIED = 200, 304
_READS = ("GET", "HEAD")
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")
_FOREVER = b"public, max-age=31536000, immutable"
_logger = logging.getLogger(__name__)


def content_policy(logo: str = "") -> str:
    """Return the policy for content: what a page of ours may load and run; ``logo`` is the operator's own."""
    digest = hashlib.sha256(THEME_LINE.encode()).digest()
    line = base64.b64encode(digest).decode()
    images = f"'self' data:{_origin(logo)}"
    return (
        f"default-src 'none'; script-src 'self' 'sha256-{line}'; style-src 'self'; img-src {images}; "
        "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def _origin(logo: str) -> str:
    """Return where a logo comes from, as the policy says it; nothing where it is ours or no plain address."""
    hit = re.match(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?=/|$)", logo)
    return f" {hit[0]}" if hit else ""


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer with the headers that say whether a visitor has it already."""

    answer: Answer
    headers: tuple[tuple[bytes, bytes], ...]
    etag: bytes


class Shelf:
    """Answers by address, the least lately used leaving first; all of them when what they came from has changed."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, bytes], Kept] = OrderedDict()
        self._bytes = 0
        self._from: object = None

    def find(self, key: tuple[str, bytes], made_from: object) -> Kept | None:
        """Return what is kept for an address, if it comes from the present state."""
        if made_from != self._from:
            self._kept.clear()
            self._bytes, self._from = 0, made_from
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def keep(self, key: tuple[str, bytes], made_from: object, kept: Kept) -> None:
        """Keep an answer, unless the state moved on while it was made."""
        if made_from != self._from or key in self._kept:
            return
        self._kept[key] = kept
        self._bytes += len(kept.answer.body)
        while len(self._kept) > _MOST_KEPT or self._bytes > _MOST_KEPT_BYTES:
            _, gone = self._kept.popitem(last=False)
            self._bytes -= len(gone.answer.body)


class Web:
    """The pages of one worker."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._renderer = Renderer(site, BLOCKS)
        self._shelf = Shelf()
        self._policy = content_policy().encode()
        self._directory: object = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if scope["type"] != "http":
            return
        method: str = scope["method"]
        if not self._host_is_ours(scope):
            await self._send(scope, send, self._kept(not_here()))
            return
        path: str = scope["path"]
        if path.startswith("/assets/"):
            await self._send_asset(path, scope, send)
            return
        form = await _form(receive) if method == "POST" else {}
        if form is None:
            await self._send(scope, send, self._kept(not_here()))
            return
        key = (path, scope["query_string"])
        directory = self._site.directory.current
        made_from = (directory.revision, id(directory), self._site.assets.stamp, self._site.today())
        if directory is not self._directory:
            self._policy = content_policy(directory.site.get("logo", "")).encode()
            self._directory = directory  # held, so that no other one can have its id
        kept = self._shelf.find(key, made_from) if method in _READS else None
        if kept is None:
            kept = await asyncio.to_thread(self._make, method, scope, form)
            if method in _READS and kept.answer.kept and kept.answer.status == _FOUND:
                self._shelf.keep(key, made_from, kept)
        await self._send(scope, send, kept)

    def _make(self, method: str, scope: Scope, form: dict[str, str]) -> Kept:
        """Render what was asked for; nothing escapes as a stack trace."""
        path: str = scope["path"]
        query: dict[str, tuple[str, ...]] = {}
        raw: bytes = scope["query_string"][:_MAX_QUERY]
        for name, value in parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=None):
            query[name] = (*query.get(name, ()), value[:200])
        asked = Asked(path, query, {}, form)
        try:
            found = find(path)
            if found is None:
                return self._kept(no_page(self._renderer, asked))
            page, parts, methods = found
            if method not in methods:
                return self._kept(wrong_method(self._renderer, asked))
            answer = page(self._renderer, Asked(path, query, parts, form))
            return self._kept(answer if answer is not None else no_page(self._renderer, asked))
        except Exception:  # the process edge: a visitor gets a page, the log gets the trace
            _logger.exception("page %s failed", path[:200])
            return self._kept(failed())

    def _kept(self, answer: Answer) -> Kept:
        etag = b'"' + hashlib.blake2b(answer.body, digest_size=12).hexdigest().encode() + b'"'
        headers = [
            (b"content-type", answer.media.encode()),
            (b"content-security-policy", self._policy),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"strict-origin-when-cross-origin"),
            (b"cache-control", b"no-cache" if answer.status == _FOUND else b"no-store"),
        ]
        if answer.location is not None:
            headers.append((b"location", answer.location.encode()))
        if answer.status == _FOUND:
            headers.append((b"etag", etag))
        return Kept(answer, tuple(headers), etag)

    async def _send(self, scope: Scope, send: Send, kept: Kept) -> None:
        answer = kept.answer
        seen = next((value for name, value in scope["headers"] if name == b"if-none-match"), b"")
        if answer.status == _FOUND and kept.etag in seen:
            await _respond(send, _NOT_MODIFIED, list(kept.headers), b"")
            return
        headers = [*kept.headers, (b"content-length", str(len(answer.body)).encode())]
        await _respond(send, answer.status, headers, b"" if scope["method"] == "HEAD" else answer.body)

    async def _send_asset(self, path: str, scope: Scope, send: Send) -> None:
        stamp, _, name = path.removeprefix("/assets/").partition("/")
        found = self._site.assets.read(name)
        if found is None:
            await _respond(send, 404, [(b"content-type", b"text/plain"), (b"content-length", b"0")], b"")
            return
        body, media = found
        current = stamp == self._site.assets.stamp
        headers = [
            (b"content-type", media.encode()),
            (b"cache-control", _FOREVER if current else b"no-cache"),
            (b"x-content-type-options", b"nosniff"),
            (b"content-length", str(len(body)).encode()),
        ]
        await _respond(send, _FOUND, headers, b"" if scope["method"] == "HEAD" else body)

    def _host_is_ours(self, scope: Scope) -> bool:
        named = [value for name, value in scope["headers"] if name == b"host"]
        match = _HOST.fullmatch(named[0].decode("latin-1").lower()) if len(named) == 1 else None
        return match is not None and (self._site.hosts is None or match[1] in self._site.hosts)


async def _form(receive: Receive) -> dict[str, str] | None:
    """Read a posted form; None when it is too large."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > _MAX_FORM:
            return None
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


async def _respond(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
