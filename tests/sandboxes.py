"""The sandbox on a thread of its own, for tests that block as their users do."""

import asyncio
import contextlib
import threading

from smartoken.sandbox.server import Sandbox


@contextlib.contextmanager
def sandbox_port():
    """Run the sandbox until the block ends; yields its port."""
    box, ready, over = {}, threading.Event(), threading.Event()

    async def main():
        sandbox = Sandbox()
        box["port"] = await sandbox.start()
        ready.set()
        await asyncio.to_thread(over.wait)
        await sandbox.stop()

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    ready.wait(10)
    try:
        yield box["port"]
    finally:
        over.set()
        thread.join(10)
