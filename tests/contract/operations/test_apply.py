"""``apply`` brings either store to what a file says, once; ``export`` gives back what was applied."""

import os
import shutil

import pytest
from hypothesis import HealthCheck, given, settings

from clocks import ManualClock
from contract.operations.conftest import an_office
from contract.operations.generated import ENVIRONMENT as GENERATED_ENVIRONMENT
from contract.operations.generated import setups
from contract.operations.rooms import Room
from smartoken.catalog.strict import CatalogError
from smartoken.errors import PermissionDeniedError
from smartoken.identity.keys import digest, mint
from smartoken.operations import audit, keys, queries
from smartoken.operations.rights import Actor, ActorKind
from smartoken.operations.setup import Wish, apply
from smartoken.operations.setup_file import read_setup
from smartoken.store import revisions
from smartoken.store.database import Database
from smartoken.store.schema import audit as audit_table
from smartoken.store.schema import budgets, provider_keys
from unit.operations.setups import ACCOUNT, FX, MODEL, PROVIDER, SITE, WHOLE

KEY, OTHER_KEY = mint(bytes(range(32))), mint(bytes(range(1, 33)))
ENVIRONMENT = {"UP1_KEY": "up-secret-one", "ACME_KEY": KEY}
EVERYTHING = [
    "create site",
    "create fx CNY/USD 2026-11-01",
    "create provider up1",
    "create provider key up1/main",
    "create model test/alpha",
    "create offer up1:test/alpha",
    "create account acme",
    "create key acme/staging",
]


def lines(applied):
    return [f"{each.verb.value} {each.item.label}" for each in applied.changes]


def test_a_file_is_applied_once(room):
    assert lines(room.apply(WHOLE, ENVIRONMENT, dry_run=True)) == EVERYTHING
    assert lines(room.apply(WHOLE, ENVIRONMENT)) == EVERYTHING
    before = room.office.db.run_read(revisions.current)
    assert lines(room.apply(WHOLE, ENVIRONMENT)) == []
    assert room.office.db.run_read(revisions.current) == before


def test_a_dry_run_changes_nothing(room):
    room.apply(WHOLE, ENVIRONMENT, dry_run=True)
    assert room.directory.accounts == {}
    assert room.office.db.run_read(queries.rows, audit_table) == []


def test_what_was_applied_is_what_a_worker_serves(room):
    room.apply(WHOLE, ENVIRONMENT)
    directory = room.directory
    served = directory.models["test/alpha"]
    assert served.ready
    assert served.price_version.startswith("apply:")
    (offer,) = served.offers
    assert offer.provider.base_url == "http://127.0.0.1:9101/v1"
    assert [each.secret.reveal() for each in offer.provider.keys] == ["up-secret-one"]
    entry = directory.keys[digest(room.office.pepper, KEY)]
    assert (entry.caller.account.slug, entry.caller.key.name, entry.caller.key.models) == (
        "acme",
        "staging",
        ("test/*",),
    )
    assert directory.aliases["alpha-up"].model == "test/alpha"
    assert directory.show_providers


# what is changed in the file, and the lines of the diff that it makes
CHANGES = [
    (SITE, 'name = "Example"', 'name = "Other"', ["change site"]),
    (FX, 'rate = "0.1409"', 'rate = "0.15"', ["change fx CNY/USD 2026-11-01"]),
    (PROVIDER, "9101", "9102", ["change provider up1"]),
    (PROVIDER, "idle_s = 60", "idle_s = 61", ["change provider up1"]),
    (PROVIDER, "rpm = 0", "rpm = 60", ["change provider key up1/main"]),
    (MODEL, '"0.50"', '"0.60"', ["change model test/alpha"]),
    (MODEL, '"0.2"', '"0.3"', ["change offer up1:test/alpha"]),
    (MODEL, "tier = 1", "tier = 2", ["change offer up1:test/alpha"]),
    (ACCOUNT, '"Acme"', '"Acme Inc"', ["change account acme"]),
    (ACCOUNT, '"50.00", period = "month"', '"50.00", period = "week"', ["change account acme"]),
    (ACCOUNT, 'budget = "1.00"', 'budget = "2.00"', ["change key acme/staging"]),
    (ACCOUNT, 'budget = "1.00"', "", ["change key acme/staging"]),
    (ACCOUNT, 'environment = "staging"', 'environment = "production"', ["change key acme/staging"]),
    (ACCOUNT, 'period = "total"', 'period = "total"\ncontinuation = true', ["change key acme/staging"]),
    (ACCOUNT, 'period = "total"', 'period = "total"\ncontinuation = false', []),
    (ACCOUNT, 'balance = "10.00"', 'balance = "99.00"', []),
    (ACCOUNT, 'owner = "alice@acme.test"', "", ["change key acme/staging"]),
]


@pytest.mark.parametrize(("part", "old", "new", "expected"), CHANGES, ids=[f"{row[1]} to {row[2]}" for row in CHANGES])
def test_a_changed_fact_is_one_line_of_the_diff(room, part, old, new, expected):
    room.apply(WHOLE, ENVIRONMENT)
    changed = WHOLE.replace(part, part.replace(old, new))
    assert changed != WHOLE
    assert lines(room.apply(changed, ENVIRONMENT, dry_run=True)) == expected
    assert lines(room.apply(changed, ENVIRONMENT)) == expected
    assert lines(room.apply(changed, ENVIRONMENT)) == []


def test_a_new_price_has_a_new_version_and_the_old_price_its_old_one(room):
    versions = []
    for rate in ("0.50", "0.60", "0.50"):
        room.apply(WHOLE.replace('"0.50"', f'"{rate}"'), ENVIRONMENT)
        versions.append(room.directory.models["test/alpha"].price_version)
    assert versions[0] == versions[2] != versions[1]


def test_a_secret_that_changed_is_replaced_and_never_shown(room):
    room.apply(WHOLE, ENVIRONMENT)
    applied = room.apply(WHOLE, {"UP1_KEY": "up-secret-two", "ACME_KEY": OTHER_KEY})
    assert lines(applied) == ["change provider key up1/main", "change key acme/staging"]
    assert [each.fields for each in applied.changes] == [(("secret", "***", "*** (another)"),)] * 2
    directory = room.directory
    assert directory.providers["up1"].keys[0].secret.reveal() == "up-secret-two"
    assert directory.keys[digest(room.office.pepper, OTHER_KEY)].valid_until_ms is None
    assert directory.keys[digest(room.office.pepper, KEY)].valid_until_ms <= room.office.clock.now_ms()


def test_secrets_are_in_no_answer_no_audit_entry_and_no_column_in_the_clear(room):
    applied = room.apply(WHOLE, ENVIRONMENT)
    again = room.apply(WHOLE, {"UP1_KEY": "up-secret-two", "ACME_KEY": OTHER_KEY})
    entries = room.office.db.run_read(queries.rows, audit_table)
    stored = room.office.db.run_read(queries.rows, provider_keys)
    seen = repr([applied, again, entries, stored, room.export()])
    for secret in ("up-secret-one", "up-secret-two", KEY, OTHER_KEY):
        assert secret not in seen


def test_a_variable_that_is_gone_keeps_the_stored_secret_and_says_so(room):
    room.apply(WHOLE, ENVIRONMENT)
    applied = room.apply(WHOLE, {})
    assert lines(applied) == []
    assert [note.partition(" ")[0] for note in applied.notes] == ["UP1_KEY", "ACME_KEY"]


def test_a_key_that_was_rotated_is_not_turned_back_by_a_stale_variable(room):
    room.apply(WHOLE, ENVIRONMENT)
    (key,) = room.read(keys.page, keys.Filter(), None, 10)
    made = room.write(keys.rotate, key["id"], 24)
    applied = room.apply(WHOLE, ENVIRONMENT)
    assert lines(applied) == []
    assert any("rotated" in note for note in applied.notes)
    assert room.directory.keys[digest(room.office.pepper, made.secret.reveal())].valid_until_ms is None


def test_a_key_without_a_secret_is_made_and_shown_once(room):
    text = WHOLE.replace('secret = "env:ACME_KEY"\n', "")
    applied = room.apply(text, ENVIRONMENT)
    ((name, secret),) = applied.minted
    assert name == "acme/staging"
    assert digest(room.office.pepper, secret.reveal()) in room.directory.keys
    assert room.apply(text, ENVIRONMENT).minted == ()


WITHOUT_KEY = WHOLE.replace(ACCOUNT, ACCOUNT.partition("[[account.key]]")[0])
BETA = MODEL.replace("test/alpha", "test/beta").replace("alpha-up", "beta-up")


def test_what_the_file_no_longer_has_is_disabled_and_comes_back_with_it(room):
    room.apply(WHOLE + BETA, ENVIRONMENT)
    assert lines(room.apply(WITHOUT_KEY, ENVIRONMENT)) == [
        "disable key acme/staging",
        "disable offer up1:test/beta",
        "disable model test/beta",
    ]
    assert lines(room.apply(WITHOUT_KEY, ENVIRONMENT)) == []
    assert room.directory.keys[digest(room.office.pepper, KEY)].caller.key.status == "paused"
    assert "test/beta" not in room.directory.models
    assert sorted(lines(room.apply(WHOLE + BETA, ENVIRONMENT))) == [
        "enable key acme/staging",
        "enable model test/beta",
        "enable offer up1:test/beta",
    ]
    assert room.directory.keys[digest(room.office.pepper, KEY)].caller.key.status == "active"
    assert room.directory.models["test/beta"].ready


def test_pruning_deletes_what_the_file_no_longer_has(room):
    room.apply(WHOLE + BETA, ENVIRONMENT)
    assert lines(room.apply(WITHOUT_KEY, ENVIRONMENT, prune=True)) == [
        "delete key acme/staging",
        "delete offer up1:test/beta",
        "delete model test/beta",
    ]
    assert digest(room.office.pepper, KEY) not in room.directory.keys
    assert [row["scope"] for row in room.office.db.run_read(queries.rows, budgets)] == ["account"]
    assert lines(room.apply(WHOLE + BETA, ENVIRONMENT))[-1] == "create key acme/staging"


def test_an_account_with_books_is_suspended_even_when_pruned(room):
    bare = 'account = [{ id = "bare" }]\n'
    room.apply(WHOLE, ENVIRONMENT)
    applied = room.apply(bare, prune=True)
    assert lines(applied) == ["create account bare", "delete key acme/staging", "disable account acme"]
    assert any("books" in note for note in applied.notes)
    assert lines(room.apply("account = []\n", prune=True)) == ["delete account bare"]


def test_a_section_that_the_file_lacks_is_left_alone(room):
    room.apply(WHOLE, ENVIRONMENT)
    assert lines(room.apply(SITE, ENVIRONMENT, prune=True)) == []
    assert lines(room.apply(ACCOUNT, ENVIRONMENT)) == []


def test_what_others_made_is_not_touched(room):
    room.apply(WHOLE, ENVIRONMENT)
    room.write(keys.create, "acme", {"name": "by-hand"})
    assert lines(room.apply(WHOLE, ENVIRONMENT)) == []
    assert lines(room.apply(WHOLE, ENVIRONMENT, prune=True)) == []


def test_a_key_that_was_paused_by_hand_stays_paused(room):
    room.apply(WHOLE, ENVIRONMENT)
    (key,) = room.read(keys.page, keys.Filter(), None, 10)
    room.write(keys.change, key["id"], {"status": "paused"})
    applied = room.apply(WHOLE, ENVIRONMENT)
    assert lines(applied) == []
    assert any("by hand" in note for note in applied.notes)
    assert room.read(keys.one, key["id"])["status"] == "paused"


def test_a_revoked_key_never_returns(room):
    room.apply(WHOLE, ENVIRONMENT)
    (key,) = room.read(keys.page, keys.Filter(), None, 10)
    room.write(keys.revoke, key["id"])
    applied = room.apply(WHOLE, ENVIRONMENT)
    assert lines(applied) == []
    assert any("revoked" in note for note in applied.notes)
    assert "staging" not in room.export()


# files that only the store or the catalog can refuse
REFUSED = [
    (MODEL, {}, r"setup\.toml:9: `provider`: there is no provider 'up1'"),
    (PROVIDER + "[[model]]\nid = 'test/none'\n", ENVIRONMENT, r"setup\.toml:9: .*at least one \[\[model.offer\]\]"),
    (PROVIDER, {}, r"setup\.toml:7: `secret`: UP1_KEY is not set"),
    (ACCOUNT, {}, r"setup\.toml:13: `secret`: ACME_KEY is not set.*leave `secret` out"),
    (PROVIDER + ACCOUNT, {}, r"UP1_KEY is not set in the environment; nor is ACME_KEY; set it"),
    (ACCOUNT + ACCOUNT.replace('"acme"', '"other"'), ENVIRONMENT, r"setup\.toml:35: .*that of acme/staging too"),
]


@pytest.mark.parametrize(("text", "variables", "words"), REFUSED)
def test_what_only_the_store_can_tell_is_refused_at_its_line_too(room, text, variables, words):
    with pytest.raises(CatalogError, match=words):
        room.apply(text, variables)
    assert room.directory.accounts == {}


def test_a_secret_of_another_key_is_refused(room):
    room.apply(WHOLE, ENVIRONMENT)
    other = ACCOUNT.replace('"acme"', '"other"').replace("env:ACME_KEY", "env:STOLEN")
    with pytest.raises(CatalogError, match="belongs to another key"):
        room.apply(other, {"STOLEN": KEY})


def test_an_offer_at_a_provider_that_the_file_takes_away_is_refused(room):
    room.apply(WHOLE, ENVIRONMENT)
    without = (SITE + PROVIDER + MODEL).replace('"up1"', '"up2"', 1)
    for prune in (False, True):
        with pytest.raises(CatalogError, match="there is no provider 'up1'; this file has up2"):
            room.apply(without, ENVIRONMENT, prune=prune)


def test_one_wrong_line_leaves_the_store_as_it_was(room):
    with pytest.raises(CatalogError):
        room.apply(WHOLE + "[[model]]\nid = 'test/none'\n", ENVIRONMENT)
    assert room.directory.accounts == {}
    assert room.directory.providers == {}


def test_a_member_may_not_apply(room):
    member = room.work(Actor(ActorKind.MEMBER, "alice", "acct_1"))
    with pytest.raises(PermissionDeniedError):
        room.office.db.run_write(apply, member, room.office.catalog, Wish(read_setup(SITE, "s", {})))


def test_a_catalog_models_price_can_be_overridden_alone(room):
    model_id = next(each.id for each in room.office.catalog.models.values() if each.price is not None)
    room.apply(f'[[model]]\nid = "{model_id}"\nprice = {{ currency = "USD", input = "7", output = "9" }}\n')
    served = room.directory.models[model_id]
    assert served.price.bands[0].input == 7_000_000
    assert served.model.context == room.office.catalog.models[model_id].context
    assert served.missing


def test_every_change_is_in_the_audit_log_and_the_chain_holds(room):
    room.apply(WHOLE, ENVIRONMENT)
    room.apply(WHOLE.replace("9101", "9102"), ENVIRONMENT)
    rows = room.read(audit.page, None, 100, None)
    assert len(rows) == len(EVERYTHING) + 1
    assert (rows[0]["action"], rows[0]["object"]) == ("apply.change", "provider:up1")
    assert rows[0]["before"] == {"base_url": "http://127.0.0.1:9101/v1"}
    assert room.office.db.run_read(audit.broken_at) is None


def test_an_exported_file_changes_nothing_where_it_came_from_and_makes_the_same_elsewhere(room):
    room.apply(WHOLE, ENVIRONMENT)
    text = room.export()
    assert lines(room.apply(text, {}, dry_run=True)) == []
    assert "env:UP1_KEY" in text
    assert "env:ACME_KEY" in text


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=setups())
def test_any_setup_comes_back_as_it_was_applied(room, text):
    variables = {name: mint(os.urandom(32)) for name in GENERATED_ENVIRONMENT}  # one store holds every example's keys
    room.apply(text, variables)
    assert lines(room.apply(text, variables)) == []
    exported = room.export()
    assert lines(room.apply(exported, {}, dry_run=True)) == []
    room.apply(exported, {}, prune=True)
    assert lines(room.apply(exported, {}, dry_run=True)) == []
    assert room.export() == exported


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=setups())
def test_an_exported_setup_makes_the_same_gateway_elsewhere(migrated_file, tmp_path_factory, text):
    exports = []
    for source in (text, None):
        path = tmp_path_factory.mktemp("elsewhere") / "smartoken.db"
        shutil.copy(migrated_file, path)
        database = Database.open(f"sqlite:///{path}")
        room = Room(an_office(database, ManualClock()), path.parent)
        made = read_setup(exports[0], "setup.toml", {}).variables if source is None else ()
        fresh = {name: mint(os.urandom(32)) for name in made}
        room.apply(source or exports[0], GENERATED_ENVIRONMENT | fresh)
        exports.append(room.export())
        database.close_sync()
    assert exports[0] == exports[1]
