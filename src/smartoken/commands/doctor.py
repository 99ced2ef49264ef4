"""``smartoken doctor``: is this installation sound, and what to do where it is not.

It reads and never writes: a running server is not disturbed. Providers are asked once each, without credentials, so
that nothing is billed: any HTTP answer shows that DNS, connection, TLS and proxy work.
"""

import asyncio
import os
import shutil
import stat
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import typer

from smartoken.app import environment_keys, proxies
from smartoken.catalog.files import Catalog, load_catalog
from smartoken.clock import SystemClock
from smartoken.commands import findings
from smartoken.commands.findings import Finding, Verdict
from smartoken.commands.terminal import FAILED, Json, invocation, say, say_json
from smartoken.operations import checks, job_rows
from smartoken.operations.directory import Directory, Extras, load
from smartoken.operations.environment import RegionError, providers_of
from smartoken.operations.pepper import open_pepper
from smartoken.operations.stored_models import stored_rates
from smartoken.providers.client import UpstreamClient
from smartoken.providers.dial import tls_context
from smartoken.providers.proxy import ProxyError
from smartoken.providers.registry import DIALECTS
from smartoken.providers.setup import ProviderSetup
from smartoken.providers.upstream import Peer, PeerError, Timeouts, UpstreamError
from smartoken.serving import RUN_FILE, read_running
from smartoken.settings import SettingError, Settings
from smartoken.store.database import Database, is_sqlite, sqlite_path
from smartoken.store.filelock import holder
from smartoken.store.keyfile import SecretKeyError, secret_keys
from smartoken.store.migrate import SchemaError, pending
from smartoken.store.vault import Vault, VaultError

_TIMES = Timeouts(connect_s=5, first_byte_s=10, idle_s=10, total_s=15)
_REMEDIES = {
    "dns": "Check the name, and the resolver of this machine.",
    "connect": "Check the address, a firewall, or HTTPS_PROXY.",
    "connect_timeout": "Check a firewall, or set HTTPS_PROXY.",
    "tls": "Check the clock and SMARTOKEN_CA_BUNDLE.",
    "proxy": "Check HTTPS_PROXY.",
    "proxy_auth": "Put user and password into HTTPS_PROXY.",
    "address": "Set allow_private = true for this provider if the address is meant.",
}


def doctor(context: typer.Context, *, json_output: Json = False) -> None:
    """Check settings, database, clock, disk, providers, prices and their age; exit 1 if anything fails."""
    found = list(examine(invocation(context).environment))
    failed = [each for each in found if each.verdict is Verdict.FAIL]
    if json_output:
        rows = [
            {"check": each.check, "verdict": each.verdict.value, "words": each.words, "remedy": each.remedy}
            for each in found
        ]
        say_json({"sound": not failed, "findings": rows})
    else:
        for each in found:
            say(f"{each.verdict.value:4}  {each.check}: {each.words}{' ' + each.remedy if each.remedy else ''}")
    if failed:
        raise typer.Exit(FAILED)


def examine(environment: Mapping[str, str]) -> Iterable[Finding]:
    """Yield every finding; a broken setting ends the examination, the rest would only repeat it."""
    try:
        settings = Settings.from_env(environment)
    except SettingError as problem:
        words = str(problem)
        yield Finding("settings", Verdict.FAIL, words if words.endswith(".") else f"{words}.", "Correct the variable.")
        return
    yield Finding("settings", Verdict.OK, f"Python {sys.version.split()[0]}, data in {settings.data_dir}.")
    yield _server(settings)
    folder = settings.data_dir if settings.data_dir.exists() else settings.data_dir.parent
    yield findings.disk(shutil.disk_usage(folder).free if folder.exists() else 0, str(folder))
    if folder.exists() and not os.access(folder, os.W_OK):
        yield Finding(
            "data dir", Verdict.FAIL, f"{folder} cannot be written.", "Change its owner or SMARTOKEN_DATA_DIR."
        )
    yield from findings.open_files(_modes(settings.data_dir))
    catalog = load_catalog()
    extras = Extras()
    try:
        keys = environment_keys(settings, catalog)
        extras = Extras(tuple(providers_of(catalog, keys, proxies(settings))))
    except (RegionError, ProxyError) as problem:
        words = str(problem)
        yield Finding("providers", Verdict.FAIL, words if words.endswith(".") else f"{words}.", "Correct the variable.")
    database, directory, priced = _database(settings, catalog, extras)
    yield from database
    reached = asyncio.run(_providers(settings, tuple(directory.providers.values()) if directory else extras.providers))
    yield from (finding for finding, _ in reached)
    yield findings.clock(SystemClock().now(), next((peer for _, peer in reached if peer is not None), None))
    if directory is not None:
        yield from findings.prices(directory)
    today = SystemClock().now().date()
    yield findings.exchange(priced.fx, today)
    yield findings.holidays(catalog, today)


def _server(settings: Settings) -> Finding:
    """Say who serves this data dir, by its file or, should that be gone, by the lock on the database."""
    server = read_running(settings.data_dir)
    if server is not None:
        return Finding("server", Verdict.OK, f"It serves on {server.address} (process {server.pid}).")
    url = settings.database_url
    held = holder(sqlite_path(url)) if is_sqlite(url) else None
    if held is None:
        return Finding("server", Verdict.OK, "It is not running.")
    pid, address = held
    where = f"serves on {address}" if address else "holds the database"
    words = f"Process {pid or 'unknown'} {where}, but {RUN_FILE} is gone or its server does not answer."
    remedy = "Commands cannot reach it: stop it and start it again."
    return Finding("server", Verdict.WARN, words, remedy)


def _modes(data_dir: Path) -> list[tuple[str, int]]:
    """Return the files of the data dir and their modes; none where the folder cannot be looked into."""
    try:
        return [(str(each), stat.S_IMODE(each.stat().st_mode)) for each in sorted(data_dir.iterdir()) if each.is_file()]
    except OSError:
        return []


def _database(settings: Settings, catalog: Catalog, extras: Extras) -> tuple[list[Finding], Directory | None, Catalog]:
    """Return what there is to say of the database, and what it holds if it opens."""
    url = settings.database_url
    kind = "SQLite" if is_sqlite(url) else "PostgreSQL"
    try:
        if is_sqlite(url) and not sqlite_path(url).exists():  # raises where the folder is another user's
            return [Finding("database", Verdict.OK, "None yet; the first `serve` makes it.")], None, catalog
        behind = pending(url)
        if behind:
            words = f"{kind}, {len(behind)} migrations behind this release."
            return (
                [Finding("database", Verdict.WARN, words, "Run `smartoken migrate`, or start `serve`.")],
                None,
                catalog,
            )
        vault = Vault(secret_keys(settings.secret_key, settings.data_dir))
        database = Database.open(url, lock=False)
        try:
            database.run_read(open_pepper, vault, b"")
            directory = database.run_read(load, catalog, vault, extras)
            proven = findings.books(database.run_read(checks.latest))
            jobs = findings.jobs(database.run_read(job_rows.shown))
            priced = replace(catalog, fx=catalog.fx.with_rates(database.run_read(stored_rates)))
        finally:
            database.close_sync()
    except (SchemaError, SecretKeyError, VaultError) as problem:
        return [Finding("database", Verdict.FAIL, str(problem))], None, catalog
    except Exception as problem:  # noqa: BLE001 - whatever the driver says is the finding
        words = f"{kind} does not open: {type(problem).__name__}: {str(problem).splitlines()[0][:200]}"
        return (
            [Finding("database", Verdict.FAIL, words, "Check SMARTOKEN_DATABASE_URL and that it runs.")],
            None,
            catalog,
        )
    facts = f"{kind}, {len(directory.accounts)} accounts, {len(directory.keys)} key texts, the secret key opens it."
    return [Finding("database", Verdict.OK, facts), proven, jobs], directory, priced


async def _providers(settings: Settings, setups: tuple[ProviderSetup, ...]) -> list[tuple[Finding, datetime | None]]:
    bundle = str(settings.ca_bundle) if settings.ca_bundle else None
    client = UpstreamClient(tls=tls_context(bundle))
    try:
        return list(await asyncio.gather(*(_reach(client, each) for each in setups)))
    finally:
        await client.close()


async def _reach(client: UpstreamClient, setup: ProviderSetup) -> tuple[Finding, datetime | None]:
    """Ask a provider's host for anything at all."""
    name = f"provider {setup.id}"
    try:
        peer = Peer.parse(setup.base_url, allow_private=setup.allow_private, proxy=setup.proxy, timeouts=_TIMES)
        response = await client.request(
            peer, "GET", DIALECTS[setup.dialect].models_path, [("accept", "application/json")], b""
        )
        response.abort()
    except UpstreamError as problem:
        remedy = _REMEDIES.get(problem.reason, "Check the base URL.")
        return Finding(name, Verdict.FAIL, f"{problem.message} ({problem.reason})", remedy), None
    except PeerError as problem:
        return Finding(name, Verdict.FAIL, str(problem), "Correct base_url."), None
    through = f" through {setup.proxy}" if setup.proxy is not None else ""
    keys = "key" if len(setup.keys) == 1 else "keys"
    words = f"{peer.host} answers{through} ({response.status} without a key); {len(setup.keys)} {keys} set."
    return Finding(name, Verdict.OK, words), _date(response.headers.get("date"))


def _date(text: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(text).astimezone(UTC) if text else None
    except ValueError:
        return None
