"""A process that writes rows without end and prints each name once it is acknowledged; it is killed in the middle."""

import asyncio
import sys

from smartoken.store.database import Database
from smartoken.store.schema import facts


def put(conn, name):
    conn.execute(facts.insert().values(name=name, value=b"x" * 200))


async def main(url, label):
    db = Database.open(url)

    async def writer(number):
        for count in range(1_000_000):
            name = f"{label}-{number}-{count}"
            await db.write(put, name)
            sys.stdout.write(name + "\n")
            sys.stdout.flush()

    await asyncio.gather(*(writer(number) for number in range(20)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
