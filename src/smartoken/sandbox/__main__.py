"""``python -m smartoken.sandbox --port P``: the sandbox alone, for benches and for tests in other processes."""

import argparse
import asyncio
import signal
import sys

import uvloop

from smartoken.sandbox.server import Sandbox


async def _serve(host: str, port: int, seed: int, keep: int) -> None:
    sandbox = Sandbox(seed=seed, keep=keep)
    chosen = await sandbox.start(host, port)
    sys.stdout.write(f"sandbox listening on http://{host}:{chosen}/v1\n")
    sys.stdout.flush()
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, stopped.set)
    await stopped.wait()
    await sandbox.stop()


def main(argv: list[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM; 2 when the address is taken."""
    parser = argparse.ArgumentParser(prog="python -m smartoken.sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one and prints it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=int, default=10_000, help="requests and truths kept for reading")
    parser.add_argument("--asyncio", action="store_true", help="Python's own event loop instead of uvloop")
    chosen = parser.parse_args(argv)
    factory = None if chosen.asyncio else uvloop.new_event_loop
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(_serve(chosen.host, chosen.port, chosen.seed, chosen.keep))
    except OSError as error:
        sys.stderr.write(f"cannot listen on {chosen.host}:{chosen.port}: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
