"""How fast pages are made and sent, in processor time of one core: printed by ``-s``, asserted in the full run alone.

A machine that does other work beside would fail it, so these tests belong to ``make test-full``.
"""

import asyncio
import sys
import time

import pytest

LEAST = 300  # pages a second
KINDS = {
    "home": "/",
    "models": "/models",
    "a filtered list": "/models?can=vision&sort=input",
    "a model": "/models/deepseek/deepseek-v4-pro",
    "compare": "/models/compare",
    "pricing": "/pricing",
    "a page of the docs": "/docs/billing",
    "the API reference": "/docs/api/keys",
    "an error": "/help/errors/budget_exceeded",
    "search": "/search?q=budget",
    "status": "/status",
    "changelog": "/changelog",
}


def spent(visitor, paths, rounds=1):
    """Processor seconds that asking took."""

    async def ask():
        for _ in range(rounds):
            for path in paths:
                assert (await visitor._ask(path, "GET", None, [])).status == 200

    began = time.process_time()
    asyncio.run(ask())
    return time.process_time() - began


@pytest.mark.full
def test_every_page_of_the_site_map_is_made_and_sent_at_more_than_three_hundred_a_second(fresh):
    visitor = fresh()
    paths = visitor.addresses()
    first = min(spent(fresh(), paths) for _ in range(2))
    spent(visitor, paths)
    kept = min(spent(visitor, paths) for _ in range(3))
    sys.stderr.write(
        f"{len(paths)} pages: made for the first time {len(paths) / first:,.0f} a second, "
        f"kept {len(paths) / kept:,.0f} a second, of one core\n"
    )
    assert len(paths) / kept > LEAST
    assert len(paths) / first > LEAST


@pytest.mark.full
@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_of_page_takes_long_to_make_anew(visitor, kind):
    path = KINDS[kind]
    mark = "&" if "?" in path else "?"
    spent(visitor, [path])  # templates are read once
    took = [spent(visitor, [f"{path}{mark}again={number}{id(path)}"]) for number in range(5)]
    sys.stderr.write(f"{kind}: made anew in {min(took) * 1000:.1f} ms\n")
    assert min(took) < 0.05
