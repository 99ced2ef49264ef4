"""Settlement: a batch of usage records goes into the store, once each, with its sums.

Inserting is set-based and keyed by the call's own id: a record that is there already is passed over, and only the
records that were really inserted are added to the hourly sums. So a retry or a replay of any batch has no effect.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from smartoken.usage.queries import insert_calls
from smartoken.usage.records import CallRecord
from smartoken.usage.rollups import add_sums


def record_calls(conn: sa.Connection, records: Sequence[CallRecord]) -> set[str]:
    """Store the records that are not stored yet and add them to the sums; returns the ids that were new."""
    new = insert_calls(conn, records)
    add_sums(conn, [each for each in records if each.id in new])
    return new
