"""A whole gateway for tests: real server, real sockets, a real store, and the sandbox as its upstream.

It runs on a thread of its own, so that blocking clients (the SDKs) can be used as their users do. ``models`` are rows
(model id, [(dialect, upstream model with its card's knobs), ...]) in the order in which they are tried.
"""

import asyncio
import contextlib
import os
import socket
import threading
import time
from dataclasses import dataclass, field

import uvicorn

from smartoken.app import Application, open_store, running
from smartoken.billing.ledger import Stamp
from smartoken.gateway.routes import GatewayApp
from smartoken.gateway.server import Connection
from smartoken.identity import accounts, queries
from smartoken.identity.keys import mint
from smartoken.operations.demo import Making, account_row, key_row
from smartoken.operations.opening import open_money
from smartoken.operations.stored_models import key_place
from smartoken.sandbox.server import Sandbox
from smartoken.settings import Settings
from smartoken.store import revisions
from smartoken.store.schema import models as models_table
from smartoken.store.schema import offers, provider_keys, providers

BALANCE = 1_000_000_000_000
PRICE = {"currency": "USD", "input": "1.00", "cached_input": "0.10", "output": "2.00"}


@dataclass
class Live:
    """A running gateway."""

    address: str
    key: str
    account_id: str
    worker: object
    sandbox: Sandbox
    loop: asyncio.AbstractEventLoop
    making: Making
    stop: object = None
    keys: dict = field(default_factory=dict)

    @property
    def base_url(self):
        return f"{self.address}/v1"

    @property
    def headers(self):
        return {"authorization": f"Bearer {self.key}"}

    def run(self, coroutine):
        """Run a coroutine on the gateway's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def write(self, fn, *args):
        """Write to the gateway's store, as another process would, and let the gateway see it."""
        result = self.worker.store.db.run_write(fn, *args)
        self.run(self.worker.directory.refresh())
        self.run(self.worker.cashier.look())
        return result

    def add_key(self, name, **facts):
        """Make a further key of the account and return its text."""
        secret = mint(os.urandom(32))
        row = {**key_row(self.making, self.account_id, name), **facts}
        self.write(accounts.add_key, row, secret, self.making.pepper)
        self.keys[name] = row["id"]
        return secret

    def add_budget(self, name, limit_nano, period="total"):
        """Give a key that ``add_key`` made a budget."""

        def insert(conn, making):
            row = {"id": making.id("budget"), "scope": "key", "scope_id": self.keys[name], "period": period}
            queries.insert_budget(conn, {**row, "created_ms": 0, "limit_nano": limit_nano})
            revisions.bump(conn, "money")

        self.write(insert, self.making)

    def records(self, call_id=None, wait_s=5.0):
        """Return what is stored of calls, after everything that waits was flushed."""
        until = time.monotonic() + wait_s
        while self.worker.gateway.metrics.in_flight and time.monotonic() < until:
            time.sleep(0.01)
        while self.worker.gateway.settler.waiting and time.monotonic() < until:
            self.run(self.worker.gateway.settler.flush())  # the first may only end one that was under way

        def read(conn):
            rows = conn.exec_driver_sql("SELECT * FROM calls ORDER BY id").mappings().all()
            return [dict(each) for each in rows]

        rows = self.worker.store.db.run_read(read)
        return [each for each in rows if call_id is None or each["id"] == call_id]


def seed(conn, store, making, port, rows):
    account = account_row(making, "acme", "Acme")
    queries.insert_account(conn, account)
    opened = Stamp(f"open:{account['id']}", making.now_ms, actor="test", reason="opening balance")
    open_money(conn, account["id"], BALANCE, 0, opened)
    secret = mint(os.urandom(32))
    accounts.add_key(conn, key_row(making, account["id"], "main"), secret, store.pepper)
    made = set()
    for model_id, targets, *more in rows:
        definition = {"context": 32768, "max_output": 4096, "price": PRICE, **(more[0] if more else {})}
        conn.execute(models_table.insert().values(id=model_id, definition=definition, enabled=True))
        for tier, (dialect, upstream_model, *offer_more) in enumerate(targets, 1):
            provider = f"up{tier}-{model_id.partition('/')[2]}-{model_id.partition('/')[0]}"  # no shared rests
            if provider not in made:
                made.add(provider)
                path = "v1" if dialect == "openai" else f"as/{dialect}"
                values = {"timeouts": {"connect_s": 2, "first_byte_s": 3, "idle_s": 1, "total_s": 30}, "options": {}}
                conn.execute(
                    providers.insert().values(
                        id=provider,
                        dialect=dialect,
                        base_url=f"http://127.0.0.1:{port}/{path}",
                        allow_private=True,
                        enabled=True,
                        **values,
                    )
                )
                key_id = making.id("pkey")
                wrapped = store.vault.wrap(b"made-up-upstream-key", key_place(key_id))
                conn.execute(
                    provider_keys.insert().values(
                        id=key_id, provider_id=provider, name="main", wrapped_secret=wrapped, enabled=True
                    )
                )
            conn.execute(
                offers.insert().values(
                    id=f"{provider}:{model_id}",
                    model_id=model_id,
                    provider_id=provider,
                    upstream_model=upstream_model,
                    tier=tier,
                    share=100,
                    definition={"cost": PRICE, **(offer_more[0] if offer_more else {})},
                    enabled=True,
                )
            )
    revisions.bump(conn)
    return account["id"], secret


async def _main(folder, rows, ready, box):
    sandbox = Sandbox()
    port = await sandbox.start()
    settings = Settings.from_env({"SMARTOKEN_DATA_DIR": str(folder)})
    store = await asyncio.to_thread(open_store, settings)
    making = Making(time.time_ns(), os.urandom, store.pepper)
    account_id, key = await store.db.write(seed, store, making, port, rows)
    application = Application()
    config = uvicorn.Config(
        application, http=Connection, ws="none", lifespan="off", log_config=None, access_log=False,
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext
    sock = socket.create_server(("127.0.0.1", 0), backlog=1024)
    try:
        async with running(settings, store, server.server_state.connections) as worker:
            application.attach(GatewayApp(worker.gateway))
            address = f"http://127.0.0.1:{sock.getsockname()[1]}"
            loop = asyncio.get_running_loop()
            box.append(Live(address, key, account_id, worker, sandbox, loop, making))
            box[0].stop = lambda: setattr(server, "should_exit", True)
            loop.call_later(0.05, ready.set)
            await server.serve(sockets=[sock])
    finally:
        await store.db.close()
        await sandbox.stop()
        sock.close()
        ready.set()


@contextlib.contextmanager
def live(folder, rows):
    """Run a gateway until the block ends."""
    ready, box = threading.Event(), []
    failure = []

    def run():
        try:
            asyncio.run(_main(folder, rows, ready, box))
        except BaseException as error:  # noqa: BLE001 - told to the test below
            failure.append(error)
            ready.set()

    thread = threading.Thread(target=run, name="live-gateway")
    thread.start()
    ready.wait(30)
    if not box:
        thread.join()
        raise failure[0]
    try:
        yield box[0]
    finally:
        box[0].stop()
        thread.join(30)
    if failure:
        raise failure[0]
