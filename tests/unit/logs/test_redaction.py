"""What never reaches a log, wherever it stands."""

import io
import json
import logging

import pytest

from smartoken.logs import Redactor, set_up

SECRETS = [
    "sk-st-" + "A1" * 24 + "z",
    "sk-abcdefgh12345678",
    "Bearer opaque-token-1234",
    "Authorization: Basic dXNlcjpwYXNzd29yZA==",
    "https://user:hunter22@proxy.test:3128/",
    "https://host.test/v1?key=AbCdEf123&x=1",
    "https://host.test/v1?x=1&token=AbCdEf123",
    "AIzaSyA" + "b" * 30,
    "bce-v3/ALTAK-abcdefg/0123456789",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
    "-----BEGIN PRIVATE KEY-----\nMIIBVgIBADANBg\n-----END PRIVATE KEY-----",
]
PARTS = ["A1A1", "abcdefgh1234", "opaque-token", "dXNlcjpw", "hunter22", "AbCdEf123", "bbbb", "ALTAK", "c2lnbm", "MIIB"]


@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_of_known_forms_are_hidden(secret):
    shown = Redactor()(f"before {secret} after")
    assert not any(part in shown for part in PARTS)
    assert shown.startswith("before ")


def test_loaded_secrets_are_hidden_whatever_their_form():
    redact = Redactor(lambda: ["plainword-secret", "abc"])
    assert redact("x plainword-secret y abc") == "x *** y abc"


def test_ordinary_text_stays():
    text = "call_0192f6c2a4b37c1e8f2ad4b1c0ffee42 failed: task-list at https://host.test/v1?limit=5"
    assert Redactor()(text) == text


@pytest.fixture
def logged():
    stream, root = io.StringIO(), logging.getLogger()
    before, level = list(root.handlers), root.level
    yield lambda form: set_up("info", form, Redactor(lambda: ["loaded-secret"]), stream), stream
    root.handlers[:] = before
    root.setLevel(level)


@pytest.mark.parametrize("form", ["json", "text"])
def test_exceptions_are_redacted_too(logged, form):
    begin, stream = logged
    begin(form)
    try:
        int("loaded-secret and sk-abcdefgh12345678")
    except ValueError:
        logging.getLogger("smartoken.x").exception("it failed with %s", "loaded-secret")
    text = stream.getvalue()
    assert "loaded-secret" not in text.replace('int("loaded-secret', "")
    assert "sk-abcdefgh" not in text
    if form == "json":
        assert json.loads(text)["level"] == "error"


def test_levels_below_the_setting_are_silent(logged):
    begin, stream = logged
    begin("text")
    logging.getLogger("smartoken.y").debug("nothing")
    assert stream.getvalue() == ""
