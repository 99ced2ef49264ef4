"""Accounts and keys as stored: secrets by digest, rotation by the clock, states, and the revision of each change."""

from ipaddress import ip_network

import pytest
import sqlalchemy as sa

from smartoken.errors import InvalidRequestError, KeyRevokedError, NotFoundError
from smartoken.identity import accounts
from smartoken.identity.facts import Policy
from smartoken.identity.keys import digest, mint
from smartoken.operations.pepper import open_pepper
from smartoken.store import revisions
from smartoken.store.rewrap import rewrap_all
from smartoken.store.schema import api_key_secrets, api_keys, facts, provider_keys, providers
from smartoken.store.vault import Place, Vault, VaultError

HOUR = 3_600_000
PEPPER = b"p" * 32
OLD, NEW = "old-" + "0123456789abcdef" * 3, "new-" + "fedcba9876543210" * 3


def account(slug="acme"):
    return {
        "id": f"acct_{slug}",
        "slug": slug,
        "name": slug.title(),
        "owner_email": None,
        "timezone": "UTC",
        "billing": "prepaid",
        "credit_limit_nano": 0,
        "policy": {"regions": ["eu", "sg"], "no_training": True},
        "status": "active",
        "opening_balance_nano": 0,
        "price_list": None,
        "created_ms": 0,
    }


def key(name="staging", slug="acme", **changes):
    return {
        "id": f"key_{slug}_{name}",
        "account_id": f"acct_{slug}",
        "name": name,
        "environment": "staging",
        "owner": "alice@acme.test",
        "workflow": None,
        "models": ["test/*"],
        "allowed_ips": ["192.0.2.0/24", "2001:db8::1"],
        "allowed_origins": ["https://app.acme.test"],
        "rpm": 60,
        "tpm": 0,
        "concurrency": 2,
        "policy": {},
        "options": {"hedging": True},
        "status": "active",
        "expires_ms": None,
        "created_ms": 0,
        "revoked_ms": None,
    } | changes


def text(number):
    return mint(number.to_bytes(32, "big"))


@pytest.fixture
def store(db):
    """A store with one account and one key, whose text is ``text(1)``."""
    db.run_write(accounts.add_account, account())
    db.run_write(accounts.add_key, key(), text(1), PEPPER)
    return db


def live(db, now_ms):
    """Return the digests that are good at an instant, as the directory works them out."""
    found = set()
    for stored in db.run_read(accounts.all_keys):
        if stored.key.status == "active":
            found |= {
                each.digest for each in stored.secrets if each.valid_until_ms is None or now_ms < each.valid_until_ms
            }
    return found


def revision(db):
    return db.run_read(revisions.current)


def test_a_key_is_read_as_it_was_written(store):
    (found,) = store.run_read(accounts.all_keys)
    assert found.key.models == ("test/*",)
    assert found.key.allowed_ips == (ip_network("192.0.2.0/24"), ip_network("2001:db8::1"))
    assert found.key.allowed_origins == ("https://app.acme.test",)
    assert (found.key.rpm, found.key.tpm, found.key.concurrency) == (60, 0, 2)
    assert found.key.policy == Policy()
    assert found.key.options == {"hedging": True}
    assert (found.key.prefix, found.key.last4) == (text(1)[:10], text(1)[-4:])
    (owner,) = store.run_read(accounts.all_accounts)
    assert owner.policy == Policy(("eu", "sg"), no_training=True)


def test_the_text_of_a_key_is_nowhere_in_the_store(store):
    def everything(conn):
        return [
            cell
            for table in sa.inspect(conn).get_table_names()
            for row in conn.exec_driver_sql(f'SELECT * FROM "{table}"')  # noqa: S608 - our own tables
            for cell in row
        ]

    kept = store.run_read(everything)
    assert digest(PEPPER, text(1)) in [bytes(cell) for cell in kept if isinstance(cell, bytes | memoryview)]
    for cell in kept:
        shown = bytes(cell) if isinstance(cell, bytes | memoryview) else str(cell).encode()
        assert text(1)[10:-4].encode() not in shown


# rotated with this overlap: is the old text good after so many hours
OVERLAPS = [
    (0, 0, False), (1, 0, True), (1, 0.999, True), (1, 1, False), (24, 23.9, True), (24, 24, False),
    (168, 167.99, True), (168, 168, False),
]  # fmt: skip


@pytest.mark.parametrize(("overlap", "after", "good"), OVERLAPS)
def test_a_rotated_text_is_good_for_its_overlap(store, manual_clock, overlap, after, good):
    store.run_write(accounts.rotate, "key_acme_staging", text(2), PEPPER, (manual_clock.now_ms(), overlap))
    manual_clock.advance(hours=after)
    now = live(store, manual_clock.now_ms())
    assert (digest(PEPPER, text(1)) in now) == good
    assert digest(PEPPER, text(2)) in now


def test_rotation_keeps_the_id_and_shows_the_new_text(store, manual_clock):
    store.run_write(accounts.rotate, "key_acme_staging", text(2), PEPPER, (manual_clock.now_ms(), 24))
    (found,) = store.run_read(accounts.all_keys)
    assert found.key.id == "key_acme_staging"
    assert found.key.last4 == text(2)[-4:]
    assert [each.digest for each in found.secrets] == [digest(PEPPER, text(1)), digest(PEPPER, text(2))]


def test_rotating_twice_at_one_instant_shows_the_last_and_lengthens_no_earlier_end(store):
    for number, overlap in ((2, 1), (3, 100)):
        store.run_write(accounts.rotate, "key_acme_staging", text(number), PEPPER, (0, overlap))
    (found,) = store.run_read(accounts.all_keys)
    assert found.secrets[-1].digest == digest(PEPPER, text(3))
    assert found.key.last4 == text(3)[-4:]
    ends = {each.digest: each.valid_until_ms for each in found.secrets}
    assert ends == {
        digest(PEPPER, text(1)): HOUR,
        digest(PEPPER, text(2)): 100 * HOUR,
        digest(PEPPER, text(3)): None,
    }


def test_other_keys_are_untouched_by_a_rotation(store):
    store.run_write(accounts.add_key, key("other"), text(9), PEPPER)
    store.run_write(accounts.rotate, "key_acme_staging", text(2), PEPPER, (0, 0))
    assert live(store, 1) == {digest(PEPPER, text(2)), digest(PEPPER, text(9))}


@pytest.mark.parametrize("overlap", [-1, 169, 10_000])
def test_an_overlap_beyond_a_week_is_refused_by_name(store, overlap):
    with pytest.raises(InvalidRequestError) as caught:
        store.run_write(accounts.rotate, "key_acme_staging", text(2), PEPPER, (0, overlap))
    assert caught.value.param == "overlap_hours"
    assert live(store, 0) == {digest(PEPPER, text(1))}


# from a state to another: the state afterwards, or the error
STATES = [
    ("active", "paused", "paused"),
    ("active", "revoked", "revoked"),
    ("active", "active", "active"),
    ("paused", "active", "active"),
    ("paused", "revoked", "revoked"),
    ("revoked", "active", KeyRevokedError),
    ("revoked", "paused", KeyRevokedError),
    ("revoked", "revoked", "revoked"),
    ("active", "gone", InvalidRequestError),
]


@pytest.mark.parametrize(("before", "to", "after"), STATES)
def test_a_key_goes_from_state_to_state(store, before, to, after):
    if before != "active":
        store.run_write(accounts.set_status, "key_acme_staging", before, 5)
    number = revision(store)
    if isinstance(after, str):
        store.run_write(accounts.set_status, "key_acme_staging", to, 7)
        assert revision(store) == number + (before != to)
    else:
        with pytest.raises(after):
            store.run_write(accounts.set_status, "key_acme_staging", to, 7)
        assert revision(store) == number
    found = store.run_read(accounts.one_key, "acct_acme", "key_acme_staging")
    assert found.key.status == (after if isinstance(after, str) else before)
    assert live(store, 8) == ({digest(PEPPER, text(1))} if found.key.status == "active" else set())


def test_a_revoked_key_is_not_rotated(store):
    store.run_write(accounts.set_status, "key_acme_staging", "revoked", 5)
    with pytest.raises(KeyRevokedError):
        store.run_write(accounts.rotate, "key_acme_staging", text(2), PEPPER, (6, 0))


def test_a_key_that_is_not_there_is_told(store):
    for call in (
        (accounts.set_status, "key_none", "paused", 0),
        (accounts.rotate, "key_none", text(2), PEPPER, (0, 0)),
    ):
        with pytest.raises(NotFoundError):
            store.run_write(*call)


CHANGES = {
    "a new account": (accounts.add_account, account("other")),
    "a changed account": (accounts.change_account, "acct_acme", {"status": "suspended"}),
    "a new key": (accounts.add_key, key("other"), text(5), PEPPER),
    "a changed key": (accounts.change_key, "key_acme_staging", {"rpm": 5}),
    "a rotation": (accounts.rotate, "key_acme_staging", text(2), PEPPER, (0, 0)),
    "a revocation": (accounts.set_status, "key_acme_staging", "revoked", 0),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_moves_the_revision_that_workers_poll(store, change):
    number = revision(store)
    store.run_write(*CHANGES[change])
    assert revision(store) == number + 1


def test_a_name_is_taken_once_in_an_account_and_free_in_another(store):
    with pytest.raises(sa.exc.IntegrityError):
        store.run_write(accounts.add_key, key(id="key_second"), text(5), PEPPER)
    store.run_write(accounts.add_account, account("other"))
    store.run_write(accounts.add_key, key(slug="other"), text(5), PEPPER)


def test_one_text_belongs_to_one_key(store):
    with pytest.raises(sa.exc.IntegrityError):
        store.run_write(accounts.add_key, key("other"), text(1), PEPPER)
    assert len(store.run_read(accounts.all_keys)) == 1  # the key went with its secret


def test_another_accounts_key_is_not_found(store):
    store.run_write(accounts.add_account, account("other"))
    assert store.run_read(accounts.one_key, "acct_other", "key_acme_staging") is None
    assert store.run_read(accounts.one_key, "acct_acme", "key_acme_staging") is not None
    assert store.run_read(accounts.all_keys, "acct_other") == []
    assert len(store.run_read(accounts.all_keys, "acct_acme")) == 1


def test_ended_texts_are_forgotten_and_current_ones_kept(store):
    store.run_write(accounts.rotate, "key_acme_staging", text(2), PEPPER, (0, 1))
    assert store.run_write(accounts.forget_ended, HOUR) == 0
    number = revision(store)
    assert store.run_write(accounts.forget_ended, HOUR + 1) == 1
    assert revision(store) == number + 1
    assert live(store, 0) == {digest(PEPPER, text(2))}


def test_any_number_of_keys_is_loaded_by_two_statements(store):
    def many(conn):
        numbers = range(1_000)
        conn.execute(api_keys.insert(), [key(f"{number}") for number in numbers])
        conn.execute(
            api_key_secrets.insert(),
            [
                {"digest": number.to_bytes(32, "big"), "key_id": f"key_acme_{number}", "prefix": "", "last4": "",
                 "created_ms": 0, "valid_until_ms": None}
                for number in numbers
            ],
        )  # fmt: skip

    def counted(conn):
        statements = []
        sa.event.listen(conn, "before_cursor_execute", lambda *call: statements.append(call[2]))
        return len(accounts.all_keys(conn)), len(statements)

    store.run_write(many)
    assert store.run_read(counted) == (1_001, 2)


def test_a_node_with_another_secret_key_does_not_open_the_pepper(db):
    assert db.run_write(open_pepper, Vault((OLD,)), PEPPER) == PEPPER
    assert db.run_write(open_pepper, Vault((OLD,)), b"q" * 32) == PEPPER  # never made anew
    with pytest.raises(VaultError, match="SMARTOKEN_SECRET_KEY"):
        db.run_write(open_pepper, Vault((NEW,)), b"q" * 32)
    assert db.run_write(open_pepper, Vault((NEW, OLD)), b"q" * 32) == PEPPER


@pytest.fixture
def wrapped(db):
    """A store with a pepper and two upstream keys, all under the old secret key."""
    vault = Vault((OLD,))

    def fill(conn):
        provider = {"id": "up1", "dialect": "openai", "base_url": "http://up1.test", "allow_private": False}
        conn.execute(providers.insert().values(timeouts={}, options={}, enabled=True, **provider))
        for row_id in ("pkey_1", "pkey_2"):
            place = Place("provider_keys", row_id, "wrapped_secret")
            blob = vault.wrap(f"upstream {row_id}".encode(), place)
            row = {"id": row_id, "provider_id": "up1", "name": row_id, "wrapped_secret": blob, "enabled": True}
            conn.execute(provider_keys.insert().values(rpm=0, concurrency=0, **row))

    db.run_write(open_pepper, vault, PEPPER)
    db.run_write(fill)
    return db


def opened(conn, vault):
    rows = conn.execute(sa.select(provider_keys.c.id, provider_keys.c.wrapped_secret)).all()
    return {
        row_id: vault.unwrap(blob, Place("provider_keys", row_id, "wrapped_secret")).decode() for row_id, blob in rows
    }


def test_rewrapping_lets_the_old_secret_key_be_retired(wrapped):
    assert wrapped.run_write(rewrap_all, Vault((NEW, OLD))) == 3
    assert wrapped.run_write(rewrap_all, Vault((NEW, OLD))) == 0
    alone = Vault((NEW,))
    assert wrapped.run_read(opened, alone) == {"pkey_1": "upstream pkey_1", "pkey_2": "upstream pkey_2"}
    assert wrapped.run_write(open_pepper, alone, b"q" * 32) == PEPPER
    with pytest.raises(VaultError):
        wrapped.run_read(opened, Vault((OLD,)))


def test_a_secret_that_does_not_open_stops_the_rewrapping_and_changes_nothing(wrapped):
    def swap(conn):
        first = sa.select(provider_keys.c.wrapped_secret).where(provider_keys.c.id == "pkey_1").scalar_subquery()
        conn.execute(provider_keys.update().where(provider_keys.c.id == "pkey_2").values(wrapped_secret=first))

    wrapped.run_write(swap)
    before = wrapped.run_read(lambda conn: conn.execute(sa.select(facts.c.value)).scalars().all())
    with pytest.raises(VaultError):
        wrapped.run_write(rewrap_all, Vault((NEW, OLD)))
    assert wrapped.run_read(lambda conn: conn.execute(sa.select(facts.c.value)).scalars().all()) == before
