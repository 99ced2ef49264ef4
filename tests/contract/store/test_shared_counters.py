"""Workers that share their rate limits through a real Valkey: together they keep the limit; without it they go on."""

import asyncio
import contextlib
import os
import signal
import time
import uuid

import pytest

from smartoken.store.counters import PLACES, REQUESTS, TOKENS, Limits
from smartoken.store.shared_counters import SharedCounters, slab_of
from smartoken.store.valkey import ValkeyAddress, ValkeyClient, ValkeyError


class Workers:
    """Several workers' counters over one Valkey, with their tasks running."""

    def __init__(self, url, count):
        self.all = [
            SharedCounters(ValkeyClient(ValkeyAddress.parse(url)), f"worker{index}", time.monotonic, count)
            for index in range(count)
        ]
        self.tasks = []

    async def __aenter__(self):
        self.tasks = [asyncio.create_task(each.run()) for each in self.all]
        return self.all

    async def __aexit__(self, *_error):
        for each in self.tasks:
            each.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for each in self.all:
            await each.close()


@pytest.fixture
def name():
    """A name of this test's own on the shared server."""
    return f"key_{uuid.uuid4().hex}"


async def settled(seconds=0.05):
    """Let the fetches that were asked for come back."""
    await asyncio.sleep(seconds)


async def until(true, within_s=8.0):
    """Wait until something is so."""
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110 - counters have no event to wait for
            await asyncio.sleep(0.01)


async def let_in(worker, name, limits, attempts, tokens=0):
    """Try a number of times with the pauses that traffic has; returns how many were let in."""
    count = 0
    for _ in range(attempts):
        count += worker.enter(name, limits, tokens) is None
        worker.leave(name)
        await asyncio.sleep(0.002)
    return count


async def test_one_worker_may_use_the_whole_limit(valkey_url, name):
    async with Workers(valkey_url, 4) as (first, *_others):
        allowed = await let_in(first, name, Limits(rpm=200), 400)
    # What refills within the test's second or two comes on top.
    assert 195 <= allowed <= 210


@pytest.mark.parametrize("count", [2, 3, 5])
async def test_workers_together_keep_the_limit(valkey_url, name, count):
    limit = 120
    async with Workers(valkey_url, count) as workers:
        allowed = await asyncio.gather(*(let_in(each, name, Limits(rpm=limit), 150) for each in workers))
    bound = limit + count * (slab_of(limit // count) + 1)
    assert limit * 0.9 <= sum(allowed) <= bound + 5  # 2 a second refill


async def test_a_burst_at_once_on_every_worker_is_settled_afterwards(valkey_url, name):
    limits = Limits(rpm=40)
    async with Workers(valkey_url, 4) as workers:
        at_once = sum(each.enter(name, limits, 0) is None for each in workers for _ in range(40))
        assert at_once == 40  # each its share, before any answer came
        await settled()
        beyond = sum(each.enter(name, limits, 0) is None for each in workers for _ in range(40))
        assert beyond <= 4 * slab_of(10)
        await settled()
        assert [each.enter(name, limits, 0).what for each in workers] == [REQUESTS] * 4


async def test_tokens_are_shared_and_corrected(valkey_url, name):
    limits = Limits(tpm=1000)
    async with Workers(valkey_url, 2) as (one, other):
        assert one.enter(name, limits, 400) is None
        one.adjust(name, 500)  # it took 900
        await settled()
        over = other.enter(name, limits, 400)
        await settled()
        over = over or other.enter(name, limits, 400)
        assert over.what == TOKENS
        assert over.limit == 1000
        one.adjust(name, -800)
        await settled()
        await until(lambda: other.enter(name, limits, 300) is None, 2)


async def test_a_large_call_is_let_in_after_its_slab_was_fetched(valkey_url, name):
    limits = Limits(tpm=100_000)
    async with Workers(valkey_url, 4) as (one, *_others):
        assert one.enter(name, limits, 10) is None
        await settled()
        await until(lambda: one.enter(name, limits, 80_000) is None, 2)


async def test_places_are_shared(valkey_url, name):
    limits = Limits(concurrency=6)
    async with Workers(valkey_url, 3) as (one, other, third):
        for _ in range(6):
            await until(lambda: one.enter(name, limits, 0) is None, 2)  # more than its share of two
        await settled()
        assert one.enter(name, limits, 0).what == PLACES
        for each in (other, third):  # a first burst may take the share that each begins with
            while each.enter(name, limits, 0) is None:
                pass
        await settled()
        assert [each.enter(name, limits, 0).what for each in (one, other, third)] == [PLACES] * 3
        for _ in range(6):
            one.leave(name)
        for each in (other, third):
            for _ in range(2):
                each.leave(name)
        await settled(0.1)
        for _ in range(4):
            await until(lambda: other.enter(name, limits, 0) is None, 4)


async def test_the_places_of_a_worker_that_left_are_free(valkey_url, name):
    limits = Limits(concurrency=4)
    async with Workers(valkey_url, 2) as (one, other):
        for _ in range(4):
            await until(lambda: one.enter(name, limits, 0) is None, 2)
        await one.close()
        for _ in range(4):
            await until(lambda: other.enter(name, limits, 0) is None, 4)


async def test_what_a_worker_did_not_use_is_given_back_when_it_leaves(valkey_url, name):
    limits = Limits(rpm=80)
    async with Workers(valkey_url, 2) as (one, _other):
        assert one.enter(name, limits, 0) is None
        await settled()
    async with Workers(valkey_url, 1) as (alone,):
        assert 78 <= await let_in(alone, name, limits, 100) <= 82


async def test_a_limit_that_changed_applies_after_the_next_answer(valkey_url, name):
    async with Workers(valkey_url, 1) as (one,):
        await let_in(one, name, Limits(rpm=20), 30)
        assert await let_in(one, name, Limits(rpm=600), 10) == 10


async def test_without_valkey_each_worker_enforces_its_share_and_says_so(name):
    async with Workers("valkey://127.0.0.1:1", 4) as workers:
        await asyncio.gather(*(until(lambda each=each: each.problem is not None) for each in workers))
        allowed = [sum(each.enter(name, Limits(rpm=40), 0) is None for _ in range(40)) for each in workers]
        assert allowed == [10] * 4
        inside = [sum(each.enter(f"{name}c", Limits(concurrency=8), 0) is None for _ in range(20)) for each in workers]
        assert inside == [2] * 4
        assert "127.0.0.1:1/0 is out of reach" in workers[0].problem


async def test_valkey_that_dies_and_returns_is_noticed_both_times(servers, name, caplog):
    url, pid = servers.start_own_valkey("dying")
    limits = Limits(rpm=100_000)
    async with Workers(url, 2) as (one, _other):
        await let_in(one, name, limits, 10)
        assert one.problem is None
        os.kill(pid, signal.SIGKILL)
        one.enter(name, limits, 0)
        await until(lambda: one.problem is not None)
        assert await let_in(one, name, limits, 20) == 20  # calls go on
        servers.start_own_valkey("dying", ValkeyAddress.parse(url).port)
        await until(lambda: one.problem is None, 15)
        assert await let_in(one, name, limits, 20) == 20
    said = [each.getMessage() for each in caplog.records]
    assert any("each worker enforces its share" in each for each in said)
    assert any("rate limits are shared" in each for each in said)


async def test_valkey_that_forgot_everything_is_no_problem(valkey_url, name):
    async with Workers(valkey_url, 1) as (one,):
        await let_in(one, name, Limits(rpm=1000), 5)
        client = ValkeyClient(ValkeyAddress.parse(valkey_url))
        await client.pipeline([("SCRIPT", "FLUSH"), ("DEL", f"smartoken:rate:{name}")])
        await client.close()
        assert await let_in(one, name, Limits(rpm=1000), 200) == 200
        assert one.problem is None


async def test_counting_never_waits_for_valkey():
    """Every answer takes forever; admission still takes microseconds."""

    async def never_answer(reader, writer):
        while await reader.read(65_536):
            pass
        writer.close()

    server = await asyncio.start_server(never_answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with Workers(f"valkey://127.0.0.1:{port}", 2) as (one, _other):
        started = time.perf_counter()
        for _ in range(1000):
            one.enter("key", Limits(rpm=10, tpm=10, concurrency=1), 5)
        assert time.perf_counter() - started < 0.5
        await until(lambda: one.problem is not None, 4)
    server.close()
    await settled()


async def test_the_client_speaks_every_kind_of_reply(valkey_url, name):
    client = ValkeyClient(ValkeyAddress.parse(valkey_url))
    replies = await client.pipeline(
        [("SET", name, b"\r\n\0"), ("GET", name), ("GET", f"{name}x"), ("INCR", f"{name}n"), ("KEYS", f"{name}*"),
         ("CONFIG", "GET", "databases"), ("DEL", name, f"{name}n")]
    )  # fmt: skip
    assert replies[:4] == [b"OK", b"\r\n\0", None, 1]
    assert sorted(replies[4]) == sorted([name.encode(), f"{name}n".encode()])
    assert replies[5] == [b"databases", b"64"]
    assert replies[6] == 2
    await client.close()


async def test_a_refused_command_is_an_error_and_the_next_one_works(valkey_url):
    client = ValkeyClient(ValkeyAddress.parse(valkey_url))
    with pytest.raises(ValkeyError, match="refused a command"):
        await client.call("NOSUCHCOMMAND")
    assert await client.call("PING") == b"PONG"
    await client.close()


async def test_a_wrong_password_is_refused_without_being_shown(valkey_url):
    url = valkey_url.replace("valkey://", "valkey://someone:planted@")
    client = ValkeyClient(ValkeyAddress.parse(url))
    with pytest.raises(ValkeyError) as caught:
        await client.call("PING")
    assert "planted" not in str(caught.value)
    await client.close()


@pytest.mark.parametrize(
    "answer", [b"", b"hello\r\n", b"$-", b"*99999999999\r\n", b"$5\r\nab", b":x\r\n", b"+" * 70_000]
)
async def test_a_server_that_speaks_something_else_is_an_error(answer):
    async def reply(reader, writer):
        await reader.read(100)
        writer.write(answer)
        with contextlib.suppress(OSError):
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(reply, "127.0.0.1", 0)
    client = ValkeyClient(ValkeyAddress.parse(f"valkey://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
    with pytest.raises(ValkeyError, match="out of reach"):
        await client.call("PING")
    await client.close()
    server.close()
    await settled()
