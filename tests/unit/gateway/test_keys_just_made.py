"""A key that was made a moment ago is known to whoever calls with it, however many do so at once."""

import asyncio
from types import SimpleNamespace

import pytest

from smartoken.errors import InvalidApiKeyError
from smartoken.gateway.authenticate import NEGATIVE_S, Authenticator
from smartoken.identity.keys import digest, mint
from smartoken.operations.directory import Directory, Extras, load
from smartoken.operations.directory_watch import DirectoryWatch

PEPPER = b"pepper"
KEY = mint(b"\1" * 32)
NOW = (1_000, 50.0)


def directory(*keys, revision=1):
    caller = SimpleNamespace(
        key=SimpleNamespace(status="active", expires_ms=None, allowed_ips=()), account=SimpleNamespace(status="active")
    )
    entry = SimpleNamespace(caller=caller, valid_until_ms=None)
    return Directory(revision, {digest(PEPPER, each): entry for each in keys}, {}, {}, {}, {})


class Store:
    """A store whose reads take as long as a test lets them; what they see is what was there when they began."""

    def __init__(self):
        self.now, self.reads, self.gate = directory(), 0, asyncio.Event()
        self.gate.set()

    async def read(self, fn, *_args):
        self.reads += fn is not load
        seen = self.now
        await self.gate.wait()
        return seen if fn is load else seen.revision


@pytest.fixture
async def store():
    return Store()


async def watching(store):
    watch = DirectoryWatch(store, None, None, Extras())
    await watch.refresh()
    store.reads = 0
    return watch


async def test_a_load_that_began_before_a_key_was_stored_is_not_taken_for_an_answer_about_it(store):
    watch = await watching(store)
    store.gate.clear()
    early = asyncio.create_task(watch.refresh())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    store.now = directory(KEY, revision=2)
    late = [asyncio.create_task(watch.refresh()) for _ in range(5)]
    await asyncio.sleep(0)
    store.gate.set()
    assert (await early).revision == 1
    assert {(await each).revision for each in late} == {2}
    assert store.reads == 2, "those who waited share one more load"


async def test_a_load_that_failed_is_its_own_callers_trouble(store):
    watch = await watching(store)
    store.gate.clear()
    early = asyncio.create_task(watch.refresh())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    late = asyncio.create_task(watch.refresh())
    await asyncio.sleep(0)
    watch._loading.cancel()
    store.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await early
    assert (await late).revision == 1


async def test_all_who_call_at_once_with_a_key_that_was_just_made_are_let_in(store):
    watch = await watching(store)
    authenticator, known = Authenticator(PEPPER, watch.refresh), watch.current
    store.now = directory(KEY, revision=2)
    callers = await asyncio.gather(*(authenticator.caller(KEY, known, None, NOW) for _ in range(8)))
    assert {each.key.status for each in callers} == {"active"}


async def test_a_key_that_is_not_known_is_looked_up_again_only_after_a_while(store):
    watch = await watching(store)
    authenticator = Authenticator(PEPPER, watch.refresh)
    for seconds, reads in ((0.0, 1), (0.5, 1), (NEGATIVE_S, 2)):
        with pytest.raises(InvalidApiKeyError):
            await authenticator.caller(KEY, watch.current, None, (NOW[0], NOW[1] + seconds))
        assert store.reads == reads
