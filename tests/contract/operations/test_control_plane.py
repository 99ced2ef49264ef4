"""The control plane: keys, set-up files, hosts and bodies; errors have one shape."""

import orjson
import pytest

from contract.operations.houses import ENVIRONMENT, OTHER, house
from smartoken.control.application import MAX_BODY_BYTES
from smartoken.identity.keys import digest, mint
from smartoken.operations import audit
from smartoken.store.database import StoreUnavailableError
from unit.operations.setups import WHOLE

__all__ = ["house"]  # a fixture


def test_the_life_of_a_key(house):
    made = house.ask("POST", "/api/v1/keys", {"account": "acme", "name": "ci", "models": ["test/*"],
                     "budgets": [{"limit": "1.50", "period": "day"}], "limits": {"rpm": 60}})  # fmt: skip
    assert made.status == 201
    key = made.body
    assert digest(house.office.pepper, key["secret"]) in house.directory.keys
    day = {"limit": "1.50", "period": "day", "used": "0.00", "held": "0.00", "available": "1.50"}
    assert (key["budgets"], key["limits"]["rpm"]) == ([{**day, "resets_at": "2026-11-04T00:00:00.000Z"}], 60)
    path = f"/api/v1/keys/{key['id']}"
    shown = house.ask("GET", path)
    assert "secret" not in shown.body
    assert key["secret"] not in shown.raw.decode()
    assert (shown.body["prefix"], shown.body["last4"]) == (key["secret"][:10], key["secret"][-4:])

    changed = house.ask("PATCH", path, {"owner": "bob@acme.test", "budgets": [], "status": "paused"}).body
    assert (changed["owner"], changed["budgets"], changed["status"]) == ("bob@acme.test", [], "paused")
    assert house.ask("PATCH", path, {"status": "active"}).body["status"] == "active"

    rotated = house.ask("POST", f"{path}/rotate", {"overlap_hours": 2}).body
    now = house.office.clock.now_ms()
    old = house.directory.keys[digest(house.office.pepper, key["secret"])]
    new = house.directory.keys[digest(house.office.pepper, rotated["secret"])]
    assert new.valid_until_ms is None
    assert 0 <= old.valid_until_ms - (now + 2 * 3_600_000) <= 10
    assert rotated["id"] == key["id"]

    assert house.ask("DELETE", path).body["status"] == "revoked"
    assert house.ask("DELETE", path).status == 200
    assert house.ask("PATCH", path, {"owner": "x@y.test"}).status == 400
    assert house.ask("POST", "/api/v1/keys", {"account": "acme", "name": "ci"}).body["error"]["param"] == "name"
    actions = [each["action"] for each in house.read(audit.page, None, 100, f"key:{key['id']}")]
    assert actions == ["key.revoke", "key.rotate", "key.change", "key.change", "key.create"]
    log = house.ask("GET", "/api/v1/admin/audit?limit=500").raw.decode()
    assert key["secret"] not in log
    assert rotated["secret"] not in log
    assert house.ask("GET", "/api/v1/admin/audit/check").body == {"intact": True, "broken_at": None}


def test_continuation_is_off_until_a_key_asks_for_it(house):
    key = house.ask("POST", "/api/v1/keys", {"account": "acme", "name": "plain"}).body
    path, place = f"/api/v1/keys/{key['id']}", digest(house.office.pepper, key["secret"])
    assert key["continuation"] is False
    for said in (True, False):
        assert house.ask("PATCH", path, {"continuation": said}).body["continuation"] is said
        assert house.directory.keys[place].caller.key.options.get("continuation", False) is said
    assert house.ask("PATCH", path, {"continuation": "yes"}).body["error"]["param"] == "continuation"


BAD = [
    ("POST", "/api/v1/keys", {"name": "x"}, 400, "account"),
    ("POST", "/api/v1/keys", {"name": "x", "account": "none"}, 404, "account"),
    ("POST", "/api/v1/keys", {"account": "acme"}, 400, "name"),
    ("POST", "/api/v1/keys", {"name": "x", "account": "acme", "secret": "sk-st-mine"}, 400, "secret"),
    ("POST", "/api/v1/keys", {"name": "x", "account": "acme", "limits": {"rpm": "60"}}, 400, "limits.rpm"),
    ("POST", "/api/v1/keys", {"name": "x", "account": "acme", "limits": {"rpm": True}}, 400, "limits.rpm"),
    ("POST", "/api/v1/keys", {"name": "x", "account": "acme", "limits": {"rpm": -1}}, 400, "limits.rpm"),
    ("POST", "/api/v1/keys", {"name": "x/y", "account": "acme"}, 400, "name"),
    ("POST", "/api/v1/keys", {"name": "x", "account": "acme", "budgets": [{"limit": 1, "period": "day"}]}, 400,
     "budgets.0.limit"),
    ("POST", "/api/v1/keys", {"name": "x", "account": "acme", "budgets": [{"limit": "-1", "period": "day"}]}, 400,
     "budgets"),
    ("POST", "/api/v1/keys", {"name": "x", "account": "acme", "budgets": [{"limit": "1", "period": "year"}]}, 400,
     "budgets.0.period"),
    ("POST", "/api/v1/keys", {"name": "x", "account": "acme", "allowed_ips": ["nowhere"]}, 400, "allowed_ips"),
    ("POST", "/api/v1/keys", {"name": "x", "account": "acme", "allowed_origins": ["x"]}, 400, "allowed_origins"),
    ("POST", "/api/v1/keys", {"name": "x", "account": "acme", "expires_at": "soon"}, 400, "expires_at"),
    ("POST", "/api/v1/keys", {"name": "x", "account": "acme", "expires_at": "2020-01-01T00:00:00Z"}, 400, "expires_at"),
    ("POST", "/api/v1/keys", b"{", 400, None),
    ("POST", "/api/v1/keys", [], 400, None),
    ("GET", "/api/v1/keys?limit=501", None, 400, "limit"),
    ("GET", "/api/v1/keys?limit=0", None, 400, "limit"),
    ("GET", "/api/v1/keys?acount=acme", None, 400, "acount"),
    ("GET", "/api/v1/keys/key_0", None, 404, "key_id"),
    ("GET", "/api/v1/calls?after=x", None, 400, "after"),
    ("GET", "/api/v1/calls?from=yesterday", None, 400, "from"),
    ("GET", "/api/v1/calls/call_0", None, 404, "call_id"),
    ("GET", "/api/v1/usage?group_by=colour", None, 400, "group_by"),
    ("GET", "/api/v1/usage?from=2026-11-02&to=2026-11-01", None, 400, "from"),
    ("GET", "/api/v1/usage?timezone=Mars", None, 400, "timezone"),
    ("POST", "/api/v1/admin/accounts", {"slug": "Acme"}, 400, "slug"),
    ("POST", "/api/v1/admin/accounts", {"slug": "acme"}, 400, "slug"),
    ("POST", "/api/v1/admin/accounts", {"slug": "new", "credit_limit": "5"}, 400, "credit_limit"),
    ("PATCH", "/api/v1/admin/accounts/acme", {"status": "gone"}, 400, "status"),
    ("PATCH", "/api/v1/admin/accounts/none", {"name": "x"}, 404, "account"),
    ("POST", "/api/v1/admin/apply", {"text": "x = 1"}, 400, None),
    ("GET", "/api/v1/nothing", None, 404, None),
    ("PUT", "/api/v1/keys", {}, 405, None),
    ("GET", "/api/v1/keys/", None, 404, "key_id"),
]  # fmt: skip
SHAPE = {"message", "type", "code", "param", "request_id", "doc_url", "billed", "limit_source", "remedy"}


def test_every_bad_request_is_refused_in_the_one_shape(house):
    wrong = []
    for method, path, body, status, param in BAD:
        answer = house.ask(method, path, body)
        error = answer.body["error"]
        if (answer.status, error["param"]) != (status, param) and not (path.endswith("/") and answer.status == 404):
            wrong.append((method, path, answer.status, error))
        assert set(error) >= SHAPE
        assert error["request_id"] == answer.headers["x-request-id"]
        assert answer.headers["content-type"] == "application/json"
    assert wrong == []


def test_what_was_sent_is_not_repeated_in_an_error(house):
    secret = mint(bytes(range(32)))
    answer = house.ask("POST", "/api/v1/keys", {"name": ["x", secret], "account": "acme", secret: 1})
    assert answer.status == 400
    assert secret not in answer.body["error"]["message"] or answer.body["error"]["param"] == secret


def test_apply_over_the_api_answers_with_file_and_line(house):
    body = {"text": "[[provider]]\nid = 'x'\ndialect = 'y'\n", "path": "team.toml"}
    error = house.ask("POST", "/api/v1/admin/apply", body).body["error"]
    assert (error["file"], error["line"]) == ("team.toml", 3)
    assert error["message"].startswith("team.toml:3: ")


def test_apply_over_the_api_diffs_applies_and_shows_made_keys_once(house):
    text = WHOLE + OTHER + '[[account.key]]\nname = "second"\n'
    body = {"text": text, "secrets": ENVIRONMENT, "dry_run": True}
    planned = house.ask("POST", "/api/v1/admin/apply", body).body
    assert [(each["verb"], each["name"]) for each in planned["changes"]] == [("create", "other/second")]
    assert planned["minted"] == []
    made = house.ask("POST", "/api/v1/admin/apply", {**body, "dry_run": False}).body
    assert made["minted"][0]["key"] == "other/second"
    assert house.ask("POST", "/api/v1/admin/apply", {**body, "dry_run": False}).body["changes"] == []
    assert house.ask("GET", "/api/v1/admin/export").body["text"] == house.export()


def test_a_new_account_has_a_wallet_and_can_be_suspended(house):
    made = house.ask("POST", "/api/v1/admin/accounts", {"slug": "fresh", "billing": "open", "credit_limit": "5.00"})
    assert (made.status, made.body["credit_limit"]) == (201, "5.00")
    assert house.ask("GET", "/api/v1/admin/accounts/fresh").body == made.body
    changed = house.ask("PATCH", "/api/v1/admin/accounts/fresh", {"status": "suspended", "timezone": "Asia/Shanghai"})
    assert house.directory.accounts[changed.body["id"]].status == "suspended"


def test_providers_and_models_are_listed_without_secrets(house):
    providers = house.ask("GET", "/api/v1/admin/providers")
    assert [(each["id"], each["models"]) for each in providers.body["data"]] == [("up1", 1)]
    models = house.ask("GET", "/api/v1/admin/models?ready=true")
    assert [each["id"] for each in models.body["data"]] == ["test/alpha"]
    assert models.body["data"][0]["price"]["input"] == "0.50"
    assert b"up-secret-one" not in providers.raw + models.raw


HOSTS = [
    ("127.0.0.1:8000", 200),
    ("localhost", 200),
    ("gateway.test", 200),
    ("GATEWAY.test:443", 200),
    ("evil.test", 400),
    ("gateway.test?x", 400),
    ("gateway.test#x", 400),
    ("gateway.test/x", 400),
    ("a gateway.test", 400),
    ("", 400),
]


def test_only_its_own_host_names_are_answered(room):
    room.hosts = frozenset({"127.0.0.1", "localhost", "gateway.test"})
    answered = [(host, room.ask("GET", "/api/v1/keys", headers={"host": host}).status) for host, _ in HOSTS]
    assert answered == HOSTS


def test_a_body_over_the_limit_is_refused(house):
    answer = house.ask("POST", "/api/v1/admin/apply", b'{"text": "' + b"#" * MAX_BODY_BYTES + b'"}')
    assert (answer.status, answer.body["error"]["code"]) == (413, "request_too_large")


class AwayOffice:
    """An office whose database fails in a way of its own."""

    def __init__(self, office, error):
        self._office, self._error, self.db = office, error, self

    def __getattr__(self, name):
        return getattr(self._office, name)

    async def read(self, *_):
        raise self._error

    write = read


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (StoreUnavailableError("The database does not answer."), 503, "ledger_unavailable"),
        (KeyError("x"), 500, "internal_error"),
    ],
)
def test_a_database_that_fails_is_told_in_the_one_shape(room, error, status, code):
    room.office = AwayOffice(room.office, error)
    for method, path, body in (("GET", "keys", None), ("POST", "admin/accounts", {"slug": "fresh"})):
        answer = room.ask(method, f"/api/v1/{path}", body)
        assert (answer.status, answer.body["error"]["code"]) == (status, code)
        assert answer.body["error"]["request_id"] == answer.headers["x-request-id"]
        assert ("retry-after" in answer.headers) == (status == 503)


def test_the_openapi_description_is_whole_and_public(room):
    answer = room.ask("GET", "/api/openapi.json", token=None)
    assert answer.status == 200
    schemas = orjson.dumps(answer.body["components"]["schemas"])
    assert b"KeyAnswer" in schemas


def test_a_changed_audit_entry_is_found(house):
    rows = house.read(audit.page, None, 100, None)
    victim = rows[3]["id"]

    def tamper(conn):
        conn.exec_driver_sql(f"UPDATE audit SET actor = 'admin:other' WHERE id = '{victim}'")  # noqa: S608 - an id of ours

    house.office.db.run_write(tamper)
    assert house.ask("GET", "/api/v1/admin/audit/check").body == {"intact": False, "broken_at": victim}


NUL = [
    ("GET", "/api/v1/keys/a\0b", None),
    ("GET", "/api/v1/calls?user=a%00b", None),
    ("POST", "/api/v1/admin/routes/simulate", {"model": "a\0b"}),
    ("POST", "/api/v1/wallet/redeem/preview", {"code": "x", "account": "a\0b"}),
]


@pytest.mark.parametrize(("method", "path", "body"), NUL)
def test_what_no_database_can_hold_is_refused_before_it_is_asked(room, method, path, body):
    answer = room.ask(method, path, body)
    assert answer.status == 400, answer
    assert answer.body["error"]["code"] == "invalid_request"


@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_an_instant_at_the_edge_of_the_calendar_is_refused_by_name(room, instant):
    answer = room.ask("GET", f"/api/v1/admin/margins?to={instant}")
    assert (answer.status, answer.body["error"]["param"]) == (400, "to")
