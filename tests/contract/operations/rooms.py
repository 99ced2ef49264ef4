"""What tests of operations do over and over: apply a text, ask the control plane, make calls that were never made."""

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from smartoken.control.application import build, routed
from smartoken.control.resources import Control
from smartoken.operations import settlement
from smartoken.operations.directory import Directory, Extras, load
from smartoken.operations.export import export
from smartoken.operations.office import Office
from smartoken.operations.rights import Actor, ActorKind
from smartoken.operations.setup import Applied, Wish, apply
from smartoken.operations.setup_file import read_setup
from smartoken.usage.records import CallRecord

ADMIN = Actor(ActorKind.ADMIN, "root")
TOKENS = {"admin-token-of-tests-0123456789abcdef": ADMIN}
ADMIN_TOKEN = next(iter(TOKENS))
ROUTES = routed()  # shared by all rooms: the framework builds them at their first use, which takes a second


class Watch:
    """The directory, loaded whenever it is asked for."""

    def __init__(self, office: Office) -> None:
        self._office = office

    @property
    def current(self) -> Directory:
        """The directory now."""
        office = self._office
        return office.db.run_read(load, office.catalog, office.vault, Extras(), office.clock.now_ms())

    async def refresh(self) -> Directory:
        """The directory now."""
        return await asyncio.to_thread(lambda: self.current)


@dataclass
class Answer:
    """What the control plane answered."""

    status: int
    headers: dict
    raw: bytes

    @property
    def body(self):
        """The JSON."""
        return orjson.loads(self.raw) if self.raw else None


@dataclass(repr=False)
class Room:
    """One installation under test."""

    office: Office
    folder: Path
    actors: dict = field(default_factory=lambda: dict(TOKENS))
    hosts: frozenset | None = None

    def work(self, actor=ADMIN):
        """The frame of an operation, a millisecond later than the one before."""
        self.office.clock.advance(0.001)
        return self.office.work(actor)

    def apply(self, text, variables=None, *, dry_run=False, prune=False) -> Applied:
        """Apply a text."""
        wish = Wish(read_setup(text, "setup.toml", variables or {}), dry_run, prune)
        run = self.office.db.run_read if dry_run else self.office.db.run_write
        return run(apply, self.work(), self.office.catalog, wish)

    def export(self) -> str:
        """The store as a file."""
        return self.office.db.run_read(export, self.work())

    def write(self, fn, *args):
        """Run a writing operation as an admin."""
        return self.office.db.run_write(fn, self.work(), *args)

    def read(self, fn, *args):
        """Run a reading operation as an admin."""
        return self.office.db.run_read(fn, self.work(), *args)

    @property
    def directory(self) -> Directory:
        """What a worker would load now."""
        return Watch(self.office).current

    def app(self):
        """The control plane."""
        control = Control(self.office, Watch(self.office), self.actors.get, self.folder, self.hosts)
        return build(control, ROUTES)

    def ask(self, method, path, body=None, *, token=ADMIN_TOKEN, headers=None) -> Answer:
        """Call the control plane."""
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        given = {"content-type": "application/json", "host": "127.0.0.1", **(headers or {})}
        if token is not None:
            given["authorization"] = f"Bearer {token}"
        return asyncio.run(_call(self.app(), method, path, raw, given))

    async def asked(self, app, method, path, body, key) -> Answer:
        """Call a control plane as one of several at once, with a key of idempotency."""
        given = {"content-type": "application/json", "host": "127.0.0.1", "authorization": f"Bearer {ADMIN_TOKEN}"}
        return await _call(app, method, path, orjson.dumps(body), {**given, "idempotency-key": key})

    def calls(self, *records: CallRecord):
        """Store calls."""
        return self.office.db.run_write(settlement.record_calls, records)


async def _call(app, method, path, raw, headers) -> Answer:
    plain, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": plain,
        "raw_path": plain.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
        "client": ("127.0.0.1", 5),
        "server": ("127.0.0.1", 80),
    }
    answer = Answer(0, {}, b"")
    pieces = [raw[at : at + 65_536] for at in range(0, len(raw), 65_536)] or [b""]

    async def receive():
        piece = pieces.pop(0) if pieces else None
        if piece is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message):
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            answer.raw += message.get("body", b"")

    await app(scope, receive, send)
    return answer


def call_record(number: int, account_id: str, key_id: str, **facts) -> CallRecord:
    """A call that was never made; ``number`` makes its id and, in minutes, its time."""
    facts.setdefault("created_ms", 1_793_000_000_000 + number * 60_000)
    plain = {
        "id": f"call_{number:032x}",
        "account_id": account_id,
        "key_id": key_id,
        "environment": "staging",
        "owner": None,
        "workflow": None,
        "user": None,
        "model_asked": "test/alpha",
        "model": "test/alpha",
        "model_served": "alpha-up",
        "provider": "up1",
        "offer": "up1:test/alpha",
        "stream": False,
        "status": 200,
        "error_code": None,
        "end_reason": "completed",
        "prompt_tokens": 100,
        "cached_tokens": 0,
        "cache_write_tokens": 0,
        "completion_tokens": 10,
        "reasoning_tokens": 0,
        "usage_source": "reported",
        "suspect": False,
        "charge_nano": 1000,
        "bound_nano": 2000,
        "overrun_nano": 0,
        "cost_nano": None,
        "cost_currency": None,
        "fx_id": None,
        "price_version": "apply:1",
        "price_lines": [{"what": "input", "tokens": 100, "rate": 10}],
        "ttft_ms": 5,
        "total_ms": 20,
        "attempts": [{"provider": "up1", "offer": "up1:test/alpha", "key": "main", "reason": None}],
        "evidence": None,
        "client_ip": "127.0.0.1",
        "fund_lines": [],
        "windows": [],
        "transfer_id": None,
    }
    return CallRecord(**{**plain, **facts})
