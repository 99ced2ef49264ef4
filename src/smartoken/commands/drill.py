"""``smartoken drill``: what the product promises, tried on a gateway of its own.

``budget``: more calls at once than a key's budget has room for. Nothing of it touches the installation: the gateway has
a folder and a database of its own, the sandbox is its upstream, and everything is removed afterwards.
"""

import contextlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from smartoken.commands.api import Api, Remote
from smartoken.commands.compare import Prompt, Target, ask
from smartoken.commands.terminal import FAILED, USAGE, Json, RefusedError, invocation, say, say_json, table
from smartoken.money import amount_text, parse_amount
from smartoken.operations import demo
from smartoken.serving import read_running
from smartoken.store.scratch import scratch_database

app = typer.Typer(name="drill", help="Try what is promised, on a gateway of its own.", no_args_is_help=True)
MODEL = "sandbox/worst-case"
ANSWER_TOKENS = 50
START_S, STOP_S = 60.0, 40.0
RETRY_S, PAUSE_S = 2.0, 0.1
STRANDED = 4  # with several workers each may hold a part of the last call's money for a moment
_OK = 200
_REFUSED = (402, 429)


@dataclass(slots=True)
class BudgetDrill:
    """What came of one run; amounts in USD."""

    database: str
    workers: int
    calls: int
    room: int
    at_once: int = 0
    admitted: int = 0
    hold: str = ""
    cap: str = ""
    spent: str = ""
    told: str = ""  # the sum of the charges that clients were told
    refused: dict[str, int] = field(default_factory=dict)
    held: bool = False  # whether what is promised held

    def judge(self) -> None:
        """Decide: never past the cap; all that fit with one worker at once, with several within two seconds."""
        cap, spent, told = (parse_amount(each) for each in (self.cap, self.spent, self.told))
        fit = min(self.room, self.calls)
        least = fit if self.workers == 1 else max(0, fit - STRANDED)
        exact = self.admitted == fit and least <= self.at_once <= fit and spent == told
        self.held = spent <= cap and told <= cap and exact and set(self.refused) <= set(map(str, _REFUSED))


@contextlib.contextmanager
def _gateway(folder: Path, environment: Mapping[str, str], workers: int) -> Iterator[Remote]:
    """Run a gateway over a folder until the block ends."""
    kept = {name: value for name, value in environment.items() if not name.startswith("SMARTOKEN_")}
    own = {"SMARTOKEN_DATA_DIR": str(folder / "data"), "SMARTOKEN_PORT": "0", "SMARTOKEN_LOG_LEVEL": "warning"}
    if "SMARTOKEN_DATABASE_URL" in environment:
        own["SMARTOKEN_DATABASE_URL"] = environment["SMARTOKEN_DATABASE_URL"]
    log = folder / "gateway.log"
    with log.open("w") as file:
        server = subprocess.Popen(  # noqa: S603 - this very program
            [sys.executable, "-m", "smartoken", "serve", "--workers", str(workers)],
            env={**kept, **own}, stdout=file, stderr=file,
        )  # fmt: skip
    try:
        until = time.monotonic() + START_S
        while (running := read_running(folder / "data")) is None:
            if server.poll() is not None or time.monotonic() >= until:
                raise RefusedError(f"The drill's gateway did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.05)
        yield Remote(running.address, running.token)
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(STOP_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


class _Customer:
    """Who calls: a key with a budget, and what its calls were told."""

    def __init__(self, remote: Remote, drill: BudgetDrill) -> None:
        self._remote = remote
        self._drill = drill
        self._lock = threading.Lock()
        self._told = 0
        self._codes: Counter[str] = Counter()
        self._target = Target(remote.address, "", {"max_tokens": ANSWER_TOKENS}, 60)
        self._prompt = Prompt("drill", [{"role": "user", "content": "Spend as much as you may."}])

    def prepare(self, folder: Path) -> None:
        """Learn what one call holds, and make a key whose budget has room for so many and a half."""
        probe = Target(self._remote.address, demo.kept_key(folder / "data") or "", {"max_tokens": ANSWER_TOKENS}, 60)
        first = ask(probe, MODEL, self._prompt)
        if first.charge_usd is None:
            raise RefusedError(f"The drill's first call was not answered: {first.error}.")
        hold = parse_amount(first.charge_usd)  # this card uses its bound exactly
        cap = hold * self._drill.room + hold // 2
        made = Api(self._remote).call(
            "POST",
            "/keys",
            {"account": demo.ACCOUNT, "name": "drill", "budgets": [{"limit": amount_text(cap), "period": "total"}]},
        )
        self._drill.hold, self._drill.cap = amount_text(hold), amount_text(cap)
        self._target = Target(self._remote.address, made["secret"], {"max_tokens": ANSWER_TOKENS}, 60)
        time.sleep(RETRY_S)  # by then every worker knows the key

    def storm(self, calls: int) -> int:
        """Call so often at once; returns how many were answered."""
        gate = threading.Barrier(calls)

        def one() -> int:
            gate.wait()
            run = ask(self._target, MODEL, self._prompt)
            with self._lock:
                if run.charge_usd is not None:
                    self._told += parse_amount(run.charge_usd)
                if run.status != _OK or run.error is not None:
                    self._codes[str(run.status) if run.status != _OK else f"200 {run.error}"] += 1
            return run.status == _OK

        with ThreadPoolExecutor(calls) as pool:
            return sum(pool.map(lambda _: one(), range(calls)))

    def account(self) -> None:
        """Take over what the gateway says was spent, once nothing is held any more."""
        until = time.monotonic() + 3 * RETRY_S
        used, told = "0", amount_text(self._told)
        while time.monotonic() < until:
            used = self._figures()["used"]
            if parse_amount(used) == self._told:
                break
            time.sleep(PAUSE_S)
        self._drill.spent, self._drill.told, self._drill.refused = used, told, dict(self._codes)

    def _figures(self) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {self._target.key}"}
        asked = urllib.request.Request(f"{self._remote.address}/v1/key", headers=headers)  # noqa: S310 - our own http URL
        with urllib.request.urlopen(asked, timeout=10) as answer:  # noqa: S310 - likewise
            found: dict[str, Any] = orjson.loads(answer.read())["budget"]
        return found


def budget_drill(environment: Mapping[str, str], drill: BudgetDrill) -> BudgetDrill:
    """Run one budget drill; ``drill`` says its size, and is returned with its figures."""
    with tempfile.TemporaryDirectory(prefix="smartoken-drill-") as name:
        folder = Path(name)
        with _gateway(folder, environment, drill.workers) as remote:
            customer = _Customer(remote, drill)
            customer.prepare(folder)
            drill.at_once = drill.admitted = customer.storm(drill.calls)
            until = time.monotonic() + RETRY_S
            while time.monotonic() < until:
                drill.admitted += customer.storm(max(1, min(drill.calls, 4 * drill.workers)))
                time.sleep(PAUSE_S)
            customer.account()
    drill.judge()
    return drill


def _plans(database: str | None, workers: int | None) -> list[tuple[str | None, int]]:
    """Return what to run, as (database, workers): as asked, or SQLite and, with a server, it too with one and four."""
    if workers is not None:
        if workers > 1 and database is None:
            raise RefusedError("--workers above 1 needs --database with a PostgreSQL URL.", USAGE)
        return [(database, workers)]
    return [(None, 1)] if database is None else [(None, 1), (database, 1), (database, 4)]


@app.command("budget")
def budget(
    context: typer.Context,
    calls: Annotated[int, typer.Option(min=1, max=500, help="Calls at once.")] = 100,
    room: Annotated[int, typer.Option(min=1, max=10_000, help="How many of them the budget has room for.")] = 20,
    workers: Annotated[
        int | None, typer.Option(min=1, max=32, help="Processes; left out: one, and four where there is PostgreSQL.")
    ] = None,
    database: Annotated[
        str | None, typer.Option(help="A PostgreSQL server, as a URL; the drill makes a database of its own there.")
    ] = None,
    *,
    json_output: Json = False,
) -> None:
    """Make more calls at once than a budget has room for: exactly those that fit may start, and none may pass it."""
    plain = dict(invocation(context).environment)
    plain.pop("SMARTOKEN_DATABASE_URL", None)
    found: list[BudgetDrill] = []
    for url, size in _plans(database, workers):
        drill = BudgetDrill("sqlite" if url is None else "postgresql", size, calls, room)
        if url is None:
            found.append(budget_drill(plain, drill))
        else:
            with scratch_database(url) as own:
                found.append(budget_drill({**plain, "SMARTOKEN_DATABASE_URL": own}, drill))
    if json_output:
        say_json({"runs": [asdict(each) for each in found]})
    else:
        say(_shown(found))
    if not all(each.held for each in found):
        raise RefusedError("A budget did not hold as promised; the figures above say where.", FAILED)


def _shown(found: list[BudgetDrill]) -> str:
    heads = ("database", "workers", "calls", "room", "at once", "admitted", "hold", "cap", "spent", "refused", "held")
    rows = [
        (
            each.database, each.workers, each.calls, each.room, each.at_once, each.admitted, each.hold, each.cap,
            each.spent, " ".join(f"{code}:{count}" for code, count in sorted(each.refused.items())),
            "yes" if each.held else "NO",
        )
        for each in found
    ]  # fmt: skip
    return table(heads, rows)
