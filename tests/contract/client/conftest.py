"""Every test of this folder runs under both event loops, and none may leave a task, an error or a socket behind."""

import asyncio
import gc
import ssl
import warnings
from collections.abc import Awaitable, Callable

import pytest
import uvloop

# Verifies like every client context, and trusts nobody: loading the system's roots takes 50 ms a time.
NO_ROOTS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

Run = Callable[[Callable[[], Awaitable[None]]], None]


async def until(truth: Callable[[], bool]) -> None:
    """Wait for what the other side's packets will bring about."""
    while not truth():  # noqa: ASYNC110 - a count read from outside has no event; the test's own limit ends the wait
        await asyncio.sleep(0.002)


@pytest.fixture(params=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Run:
    """Return what runs an async function to its end and then looks for leftovers."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop

    def runner(main: Callable[[], Awaitable[None]]) -> None:
        complaints: list[dict[str, object]] = []

        async def watched() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
            async with asyncio.timeout(60):
                await main()
            await asyncio.sleep(0)
            others = asyncio.all_tasks() - {asyncio.current_task()}
            assert not others, f"tasks left: {others}"

        with asyncio.Runner(loop_factory=factory) as loop_runner:
            try:
                loop_runner.run(watched())
            except BaseException:
                # A failed test leaves sockets open. As an error inside uvloop's destructors their warning would hang
                # the closing of the loop and hide the failure.
                warnings.simplefilter("ignore", ResourceWarning)
                raise
        gc.collect()
        assert not complaints, complaints

    return runner
