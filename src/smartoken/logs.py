"""Logging: one line an event on standard error, as text for a terminal, else as JSON; secrets never.

Everything that is logged anywhere in the process passes one redactor: our own keys, provider keys of the common forms,
bearer and basic credentials, tokens in URLs, private keys, and every secret that this process has loaded, wherever it
stands, exception texts included. No line is written for a call that went well.
"""

import json
import logging
import re
import sys
import traceback
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TextIO

HIDDEN = "***"
_MIN_KNOWN = 6  # shorter secrets would hide ordinary words
_PATTERNS = re.compile(
    r"sk-[A-Za-z0-9_-]{8,}"
    r"|st-adm-[A-Za-z0-9]{8,}"
    r"|AIza[A-Za-z0-9_-]{20,}"
    r"|bce-v3/[A-Za-z0-9/_-]{8,}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)"
    r"|(?<=Bearer )[^\s\"',]+"
    r"|(?<=Basic )[A-Za-z0-9+/=]{8,}"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
    r"|(?<=[?&]key=)[^&\s]+|(?<=[?&]token=)[^&\s]+|(?<=[?&]api_key=)[^&\s]+",
    re.DOTALL,
)


class Redactor:
    """Takes secrets out of text; ``known`` gives the secrets that this process holds at the moment."""

    def __init__(self, known: Callable[[], Iterable[str]] = tuple) -> None:
        self.known = known

    def __call__(self, text: str) -> str:
        """Return the text without anything secret."""
        for each in self.known():
            if len(each) >= _MIN_KNOWN and each in text:
                text = text.replace(each, HIDDEN)
        return _PATTERNS.sub(HIDDEN, text)


class _Formatter(logging.Formatter):
    def __init__(self, redact: Redactor, *, as_json: bool) -> None:
        super().__init__()
        self._redact = redact
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields = {
            "time": when,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            fields["exception"] = "".join(traceback.format_exception(*record.exc_info)).rstrip()
        safe = {name: self._redact(value) for name, value in fields.items()}
        if self._as_json:
            return json.dumps(safe, ensure_ascii=False)
        line = f"{safe['time']} {safe['level']:<7} {safe['logger']}: {safe['message']}"
        return f"{line}\n{safe['exception']}" if "exception" in safe else line


def set_up(level: str, form: str | None, redact: Redactor, stream: TextIO | None = None) -> logging.Handler:
    """Send every logger of the process through one redacting handler; ``form`` is text, json or by the terminal."""
    stream = stream or sys.stderr
    as_json = form == "json" or (form is None and not stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Formatter(redact, as_json=as_json))
    root = logging.getLogger()
    for each in list(root.handlers):
        root.removeHandler(each)
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.getLogger("asyncio").setLevel(max(logging.WARNING, root.level))
    return handler
