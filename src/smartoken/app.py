"""The composition root: settings in, resources opened once, an ASGI application out.

Everything that lives as long as a worker is made here and passed on; nothing is global. Opening order is closing order
reversed. A worker that is told to stop first turns unready, lets calls under way finish, stores the last usage
records, and only then closes.
"""

import asyncio
import contextlib
import functools
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import orjson

from smartoken import __version__
from smartoken.catalog.files import Catalog, load_catalog
from smartoken.catalog.holidays import is_holiday
from smartoken.clock import Clock, SystemClock
from smartoken.control.application import Guard, build
from smartoken.control.resources import Control, admin_tokens, allowed_hosts
from smartoken.gateway.authenticate import Authenticator
from smartoken.gateway.breaker_news import BreakerNews
from smartoken.gateway.cashier import Cashier
from smartoken.gateway.crew import Snapshots
from smartoken.gateway.desk import Desk
from smartoken.gateway.live_drills import Doors, LiveDrills
from smartoken.gateway.lookout import Lookout
from smartoken.gateway.metrics import Metrics
from smartoken.gateway.relay import Relay
from smartoken.gateway.reply import Receive, Scope, Send
from smartoken.gateway.resources import Gateway
from smartoken.gateway.routes import GatewayApp
from smartoken.gateway.server import sweep
from smartoken.gateway.settle import Settler, Tariffs
from smartoken.gateway.upstreams import Upstreams
from smartoken.ids import ENTROPY_BYTES, new_id
from smartoken.jobs import Bench, Jobs
from smartoken.operations import calls, campaigns, checks, drills, environment, exposures, prices, transitions
from smartoken.operations.directory import Extras
from smartoken.operations.directory_watch import DirectoryWatch
from smartoken.operations.environment import EnvironmentKey, providers_of
from smartoken.operations.money_view import stored_figures
from smartoken.operations.office import Office
from smartoken.operations.pepper import open_pepper
from smartoken.operations.rights import SYSTEM
from smartoken.operations.served import ServedOffer
from smartoken.providers.client import UpstreamClient
from smartoken.providers.dial import tls_context
from smartoken.providers.proxy import Proxy
from smartoken.providers.upstream import Peer, UpstreamError
from smartoken.sandbox.server import Sandbox
from smartoken.settings import Settings
from smartoken.store.counters import Counters, MemoryCounters
from smartoken.store.database import Database, StoreError
from smartoken.store.keyfile import secret_keys
from smartoken.store.migrate import upgrade
from smartoken.store.shared_counters import SharedCounters
from smartoken.store.valkey import ValkeyAddress, ValkeyClient
from smartoken.store.vault import Secret, Vault
from smartoken.usage.records import CallRecord
from smartoken.web.application import Web
from smartoken.web.assets import Assets, places
from smartoken.web.library import Library, docs_folder
from smartoken.web.resources import Site

_logger = logging.getLogger(__name__)
COUNTS_EVERY_S = 1.0
STOP_S = 2.0
DRAIN_S = 25.0  # then calls are ended and settled, all within the 30 seconds that are promised
MAX_LIST_BYTES = 4 * 1024 * 1024
_THIS_MACHINE = ("127.0.0.1", "::1", "localhost")
ASGI = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class OpenStore:
    """The store with what opens the secrets in it, and the clock by which all over it lives."""

    db: Database
    vault: Vault
    pepper: bytes
    clock: Clock = field(default_factory=SystemClock)


@dataclass(slots=True)
class Worker:
    """What one worker holds while it runs."""

    settings: Settings
    store: OpenStore
    directory: DirectoryWatch
    gateway: Gateway
    cashier: Cashier
    clock: Clock
    desk: Desk
    draining: bool = False
    shared: Snapshots | None = None
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


def make_data_dir(settings: Settings) -> None:
    """Make the data dir where there is none.

    Raises:
        StoreError: it cannot be made.

    """
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StoreError(
            f"SMARTOKEN_DATA_DIR {settings.data_dir} cannot be made: {error.strerror}. Choose a writable folder."
        ) from error


def open_store(settings: Settings, *, migrate: bool = True) -> OpenStore:
    """Open the store, migrated unless that is done, with the vault and the pepper of its keys.

    Raises:
        StoreBusyError, SecretKeyError, VaultError, SchemaError: each says what to do.

    """
    make_data_dir(settings)
    vault = Vault(secret_keys(settings.secret_key, settings.data_dir))
    db = Database.open(settings.database_url)
    try:
        if migrate:
            upgrade(settings.database_url)
        pepper = db.run_write(open_pepper, vault, os.urandom(32))
    except BaseException:
        db.close_sync()
        raise
    return OpenStore(db, vault, pepper)


def call_ids(prefix: str = "call") -> Callable[[], str]:
    """Return a function that makes ids of calls; entropy is drawn in blocks, since each draw is a system call."""
    block, offset = b"", 0

    def make() -> str:
        nonlocal block, offset
        if offset + ENTROPY_BYTES > len(block):
            block, offset = os.urandom(ENTROPY_BYTES * 256), 0
        piece = block[offset : offset + ENTROPY_BYTES]
        offset += ENTROPY_BYTES
        return new_id(prefix, time.time_ns(), piece)

    return make


def proxies(settings: Settings) -> Proxy | None:
    """Return the proxy of the environment for upstreams."""
    return Proxy.parse(settings.https_proxy) if settings.https_proxy else None


def environment_keys(settings: Settings, catalog: Catalog) -> list[EnvironmentKey]:
    """Return the provider keys that the environment holds."""
    found = [settings.provider_key(name) for name in environment.key_variables(catalog)]
    return [EnvironmentKey(each.variable, Secret(each.secret), each.region) for each in found if each is not None]


async def own_server(settings: Settings, client: UpstreamClient) -> Extras:
    """Return the operator's own server with the models that it lists; none if it does not answer."""
    if settings.upstream_url is None:
        return Extras()
    secret = Secret(settings.upstream_key or "none")
    peer = Peer.parse(settings.upstream_url, allow_private=True)
    names: list[str] = []
    try:
        headers = [("authorization", f"Bearer {secret.reveal()}")]
        response = await client.request(peer, "GET", "/models", headers, b"")
        listed = orjson.loads(await response.read(MAX_LIST_BYTES))
        names = [str(each["id"]) for each in listed["data"]]
    except (UpstreamError, orjson.JSONDecodeError, KeyError, TypeError) as error:
        _logger.warning("SMARTOKEN_UPSTREAM_URL lists no models (%s); none of it is served", type(error).__name__)
    return environment.own_server_extras(settings.upstream_url, secret, names)


@contextlib.asynccontextmanager
async def running(
    settings: Settings, store: OpenStore, connections: set[Any], shared: Snapshots | None = None
) -> AsyncIterator[Worker]:
    """Open a worker's resources over an open store, run its tasks, and close everything in the end.

    ``shared`` is where this worker and its siblings leave their counts for each other.
    """
    sandbox = Sandbox()
    bundle = str(settings.ca_bundle) if settings.ca_bundle else None
    client = UpstreamClient(tls=tls_context(bundle))
    try:
        catalog = load_catalog()
        port = await sandbox.start()
        parts = [
            environment.sandbox_extras(port),
            Extras(tuple(providers_of(catalog, environment_keys(settings, catalog), proxies(settings)))),
            await own_server(settings, client),
        ]
        watch = DirectoryWatch(store.db, store.vault, catalog, environment.joined(parts))
        watch.keeps_prices = True
        await watch.refresh()
        cashier = Cashier(store.db, store.clock, settings.data_dir, settings.workers)
        await cashier.open()
        watch.before_publishing = cashier.renew
        worker = _assemble(settings, store, watch, client, cashier)
        counters = worker.gateway.counters
        loop = asyncio.get_running_loop()
        worker.tasks = [
            loop.create_task(watch.run()),
            loop.create_task(worker.gateway.settler.run()),
            loop.create_task(cashier.run()),
            loop.create_task(_keep_awake(worker, connections)),
            loop.create_task(_jobs(worker).run()),
            loop.create_task(_breaker_news(worker)),
            loop.create_task(_live_drills(worker, client)),
        ]
        if isinstance(counters, SharedCounters):
            worker.tasks.append(loop.create_task(counters.run()))
        if shared is not None:
            worker.shared = shared
            worker.tasks.append(loop.create_task(_share_counts(worker, shared)))
        try:
            yield worker
        finally:
            worker.draining = True
            await cashier.close(settled=await _drain(worker))
            if isinstance(counters, SharedCounters):
                await counters.close()
            if shared is not None:
                shared.write(_counts(worker))
    finally:
        await client.close()
        await sandbox.stop()


def _assemble(
    settings: Settings, store: OpenStore, watch: DirectoryWatch, client: UpstreamClient, cashier: Cashier
) -> Worker:
    clock, db = store.clock, store.db
    upstreams = Upstreams(client, clock)
    till, logbook, tariffs = cashier.till, cashier.logbook, Tariffs(is_holiday)

    async def stored_call(account_id: str, call_id: str) -> CallRecord | None:
        return await db.read(calls.one, account_id, call_id)

    gateway = Gateway(
        directory=watch,
        authenticator=Authenticator(store.pepper, watch.refresh),
        upstreams=upstreams,
        relay=Relay(upstreams, clock, till, logbook),
        settler=Settler(cashier.store, tariffs, clock, till, logbook),
        till=till,
        tariffs=tariffs,
        logbook=logbook,
        counters=_counters(settings, clock, cashier.home.epoch),
        metrics=Metrics(),
        clock=clock,
        new_call_id=call_ids(),
        stored_call=stored_call,
        all_snapshots=lambda own: [own] if worker.shared is None else worker.shared.all(own),
        not_ready=lambda: "draining" if worker.draining else None,
        stored_figures=lambda rows: db.read(stored_figures, rows),
        book_drifts=lambda: db.read(checks.drifts),
        docs_url=f"{settings.public_url or ''}/help/errors",
        trusted_proxies=settings.trusted_proxies,
        metrics_token=settings.metrics_token,
        notice_query=Lookout(store.pepper, lambda: watch.current, _exposing(store, watch)).notice,
    )
    worker = Worker(settings, store, watch, gateway, cashier, clock, Desk(gateway, client, settings.drill_longest_s))
    return worker


def _office(worker: Worker) -> Office:
    return _office_over(worker.store, worker.directory)


def _office_over(store: OpenStore, watch: DirectoryWatch) -> Office:
    return Office(store.db, store.vault, store.pepper, watch.catalog, store.clock, os.urandom)


def _exposing(store: OpenStore, watch: DirectoryWatch) -> Callable[[str, str], Awaitable[object]]:
    office = _office_over(store, watch)
    return lambda key_id, place: office.write(exposures.expose, office.work(SYSTEM), key_id, place)


def _jobs(worker: Worker) -> Jobs:
    """Return what runs by itself in a worker; runs are counted by name and outcome."""
    metrics = worker.gateway.metrics

    def noted(name: str, well: bool) -> None:
        metrics.count("smartoken_job_runs", (name, "ok" if well else "failed"))

    return Jobs(Bench(_office(worker), worker.settings.data_dir), noted=noted)


async def _breaker_news(worker: Worker) -> None:
    """Let operators, and other workers if there are any, know of this worker's breakers."""
    gateway, db = worker.gateway, worker.store.db
    hear = None if worker.settings.database_url.startswith("sqlite") else functools.partial(db.read, transitions.since)
    tell = functools.partial(db.write, transitions.publish)
    news = BreakerNews(gateway.upstreams.pools.breakers, gateway.metrics, worker.clock, tell, hear)
    await news.run(worker.cashier.home.epoch, call_ids("event"))


async def _live_drills(worker: Worker, client: UpstreamClient) -> None:
    """Take part in the drills on live traffic, whichever worker began them."""
    db, office = worker.store.db, _office(worker)
    doors = Doors(
        functools.partial(db.read, drills.running),
        functools.partial(db.write, drills.report),
        lambda drill: office.write(drills.conclude, office.work(SYSTEM), drill),
    )
    await LiveDrills(worker.gateway, client, worker.desk, doors, worker.cashier.home.epoch).run()


def control_plane(worker: Worker, tokens: Mapping[str, str | None]) -> Guard:
    """Return the control plane of a running worker; ``tokens`` are admin tokens by the name the audit log shows."""
    settings = worker.settings
    public = urlsplit(settings.public_url).hostname if settings.public_url else None
    control = Control(
        office=_office(worker),
        directory=worker.directory,
        identify=admin_tokens(tokens),
        data_dir=settings.data_dir,
        hosts=allowed_hosts(settings.host, public),
        docs_url=worker.gateway.docs_url,
        changed=worker.cashier.look,
        desk=worker.desk,
        release=worker.cashier.release,
    )
    return build(control)


def web_plane(worker: Worker, control: Guard, address: str) -> ASGI:
    """Return the public site of a running worker; ``address`` is the one that its samples name."""
    settings, upstreams = worker.settings, worker.gateway.upstreams
    public = urlsplit(settings.public_url).hostname if settings.public_url else None

    def resting_s(offer: ServedOffer) -> float:
        wait = upstreams.pools.pick_key(offer)
        return wait if isinstance(wait, float) else 0.0

    site = Site(
        directory=worker.directory,
        catalog=worker.directory.catalog,
        address=address,
        library=Library(docs_folder()),
        assets=Assets(places()),
        openapi=control.openapi,
        not_ready=lambda: "draining" if worker.draining else None,
        now_ms=lambda: worker.clock.now_ns() // 1_000_000,
        version=__version__,
        history=lambda model: worker.store.db.run_read(prices.history, model),
        changes=lambda: worker.store.db.run_read(prices.changes),
        campaign=lambda slug: worker.store.db.run_read(
            campaigns.published_rules, slug, worker.clock.now_ns() // 1_000_000
        ),
        rests=lambda: worker.store.db.run_read(transitions.of_the_day),
        resting_s=resting_s,
        hosts=allowed_hosts(settings.host, public),
        data_dir=settings.data_dir.resolve() if urlsplit(address).hostname in _THIS_MACHINE else None,
    )
    return Web(site)


def _counters(settings: Settings, clock: Clock, name: str) -> Counters:
    """Return the counters of rates: shared through Valkey if there is one, else this worker's part of each limit."""
    if settings.valkey_url is None:
        return MemoryCounters(clock.monotonic, settings.workers)
    client = ValkeyClient(ValkeyAddress.parse(settings.valkey_url))
    return SharedCounters(client, name, clock.monotonic, settings.workers)


def _counts(worker: Worker) -> dict[str, Any]:
    waiting = {"smartoken_records_waiting": worker.gateway.settler.waiting}
    return worker.gateway.metrics.snapshot(waiting)


async def _share_counts(worker: Worker, shared: Snapshots) -> None:
    """Leave this worker's counts for its siblings each second, for ``/metrics`` of whoever is asked."""
    while True:
        try:
            shared.write(_counts(worker))
        except OSError:
            _logger.warning("the counts of this worker could not be written; /metrics of the others misses them")
        await asyncio.sleep(COUNTS_EVERY_S)


async def _keep_awake(worker: Worker, connections: set[Any]) -> None:
    """Each second: comments for clients that wait in silence, an end for those that send too slowly."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(1.0)
        for reply in worker.gateway.relay.silent_for(worker.gateway.limits.silence_s):
            task = loop.create_task(reply.comment())
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        sweep(connections, loop.time())


async def calls_over(worker: Worker, most_s: float, hurried: Callable[[], bool] = lambda: False) -> None:
    """Wait until no call is under way, so many seconds at most, less when ``hurried`` says so."""
    until = worker.clock.monotonic() + most_s
    while worker.gateway.metrics.in_flight and worker.clock.monotonic() < until:  # rare, and a counter
        if hurried():
            return
        await asyncio.sleep(0.05)


async def _drain(worker: Worker) -> bool:
    """Let calls under way end and store what they came to; false if something could not be stored."""
    worker.gateway.relay.stop()
    await calls_over(worker, STOP_S)
    for task in worker.tasks:
        task.cancel()
    await asyncio.gather(*worker.tasks, return_exceptions=True)
    try:
        await worker.gateway.settler.flush()
        await worker.gateway.settler.flush()
    except Exception:  # the process edge: the journal keeps what the store did not take
        _logger.exception("%d usage records stay in the journal for the next start", worker.gateway.settler.waiting)
    return worker.gateway.settler.waiting == 0 and worker.gateway.metrics.in_flight == 0


class Application:
    """The whole product as one ASGI callable: the data plane first, then the control plane, then pages."""

    def __init__(self) -> None:
        self._gateway: GatewayApp | None = None
        self._control: ASGI | None = None
        self._web: ASGI | None = None

    def attach(self, gateway: GatewayApp, control: ASGI | None = None, web: ASGI | None = None) -> None:
        """Give it the planes, once the worker's resources are open; before that it is not called."""
        self._gateway, self._control, self._web = gateway, control, web

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Dispatch by path; whatever nobody else serves gets the data plane's 404."""
        if scope["type"] != "http" or self._gateway is None:
            return
        path: str = scope["path"]
        if not self._gateway.serves(path):
            if self._control is not None and path.startswith("/api/"):
                await self._control(scope, receive, send)
                return
            if self._web is not None:
                await self._web(scope, receive, send)
                return
        await self._gateway(scope, receive, send)
