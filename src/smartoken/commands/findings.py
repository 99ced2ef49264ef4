"""What ``doctor`` finds: each check's verdict, and what to do about it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from smartoken.catalog.files import Catalog
from smartoken.catalog.fx import FxTable, FxUnknownError
from smartoken.catalog.holidays import CALENDARS, covers
from smartoken.operations.directory import Directory

ON_A_LINE = 8  # names that a finding lists
STALE_FX_DAYS = 14
LOW_DISK_BYTES = 512 * 1024 * 1024
SCARCE_DISK_BYTES = 2 * 1024 * 1024 * 1024
CLOCK_OFF_S = 30
RELEASED = date(2026, 11, 1)
_YEAR_AHEAD_DAYS = 45


class Verdict(StrEnum):
    """How bad it is; only ``fail`` makes ``doctor`` exit 1."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    check: str
    verdict: Verdict
    words: str
    remedy: str | None = None


def clock(now: datetime, peer: datetime | None) -> Finding:
    """Judge the machine's clock, against a provider's Date header where one was seen."""
    if now.date() < RELEASED:
        return Finding(
            "clock", Verdict.FAIL, f"It says {now:%Y-%m-%d %H:%M} UTC, before this release.", "Set the clock."
        )
    if peer is None:
        return Finding("clock", Verdict.OK, f"{now:%Y-%m-%d %H:%M:%S} UTC; no provider to compare with.")
    off_s = abs((now - peer).total_seconds())
    if off_s > CLOCK_OFF_S:
        words = f"{off_s:.0f} s away from a provider's clock."
        return Finding("clock", Verdict.WARN, words, "Start time synchronisation (chrony, systemd-timesyncd).")
    return Finding("clock", Verdict.OK, f"{now:%Y-%m-%d %H:%M:%S} UTC, within {off_s:.0f} s of a provider's.")


def disk(free_bytes: int, folder: str) -> Finding:
    """Judge the room that is left."""
    room = f"{free_bytes // (1024 * 1024)} MiB free at {folder}."
    if free_bytes < LOW_DISK_BYTES:
        return Finding("disk", Verdict.FAIL, room, "Free space, or move SMARTOKEN_DATA_DIR; a full disk stops calls.")
    if free_bytes < SCARCE_DISK_BYTES:
        return Finding("disk", Verdict.WARN, room, "Plan for more room.")
    return Finding("disk", Verdict.OK, room)


def open_files(modes: Sequence[tuple[str, int]]) -> list[Finding]:
    """Judge who can read the files of the data dir, keys and tokens among them."""
    wide = [path for path, mode in modes if mode & 0o077]
    if not wide:
        return []
    listed, more = wide[:ON_A_LINE], " and more" if len(wide) > ON_A_LINE else ""
    words = f"Open to others on this machine: {', '.join(listed)}{more}."
    return [Finding("files", Verdict.WARN, words, f"Run `chmod 600 {' '.join(listed)}`.")]


def prices(directory: Directory) -> list[Finding]:
    """Judge what can be sold: models that a provider serves and no price is known of."""
    served = [each for each in directory.models.values() if each.offers]
    unpriced = sorted(each.model.id for each in served if each.price is None)
    ready = sum(each.ready for each in served)
    found = [Finding("models", Verdict.OK, f"{ready} can be called.")]
    if not any(each.ready and each.model.vendor != "sandbox" for each in served):
        remedy = "Set a provider's key variable, or add a provider with `smartoken apply`."
        found = [Finding("models", Verdict.WARN, "None can be called but the sandbox's.", remedy)]
    if unpriced:
        remedy = "Set `price` for them with `smartoken apply`; until then they are refused."
        found.append(Finding("prices", Verdict.WARN, f"No sell price: {', '.join(unpriced[:8])}.", remedy))
    else:
        found.append(Finding("prices", Verdict.OK, "Every model that is served has one."))
    return found


def jobs(rows: Sequence[Mapping[str, Any]]) -> Finding:
    """Judge how the last runs of what runs by itself went."""
    if not rows:
        return Finding("jobs", Verdict.OK, "None has run yet; a running server runs them by itself.")
    failed = [f"{each['name']} ({each['result']})" for each in rows if each["ok"] is False]
    if failed:
        remedy = "The server's log has the whole error; a job is tried again at its next time."
        return Finding("jobs", Verdict.FAIL, f"Failed last: {', '.join(failed[:4])}.", remedy)
    newest = max(str(each["ended_at"] or "") for each in rows)
    return Finding("jobs", Verdict.OK, f"{len(rows)} ran well, the last at {newest or 'no time yet'}.")


def books(results: Sequence[Mapping[str, Any]]) -> Finding:
    """Judge what the newest checks of the books found."""
    if not results:
        return Finding("books", Verdict.OK, "Not checked yet; a running server checks them by itself.")
    wrong = [each for each in results if not each["ok"]]
    if wrong:
        words = "; ".join(f"{each['check']} has {each['drift_count']} differences ({each['at']})" for each in wrong)
        return Finding("books", Verdict.FAIL, f"{words}.", "See them with `smartoken reconcile books`.")
    newest = max(each["at"] for each in results)
    return Finding("books", Verdict.OK, f"{len(results)} checks agree, the last of {newest}.")


def exchange(fx: FxTable, today: date) -> Finding:
    """Judge the age of the exchange rate."""
    try:
        rate, age = fx.on("CNY/USD", today), fx.age_days("CNY/USD", today)
    except FxUnknownError as problem:
        return Finding("exchange rate", Verdict.FAIL, str(problem), "Add it to the set-up file.")
    words = f"{rate.pair} of {rate.valid_from.isoformat()}, {age} days old."
    if age > STALE_FX_DAYS:
        return Finding("exchange rate", Verdict.WARN, words, "Add a newer [[fx]] to the set-up file and apply it.")
    return Finding("exchange rate", Verdict.OK, words)


def holidays(catalog: Catalog, today: date) -> Finding:
    """Judge whether the holidays of this year, and soon of the next, are known to prices by time of day."""
    if not any(offer.price is not None and offer.price.time_of_day is not None for offer in catalog.offers.values()):
        return Finding("holidays", Verdict.OK, "No price depends on them.")
    years = sorted({today.year, (today + timedelta(days=_YEAR_AHEAD_DAYS)).year})
    lacking = [str(year) for year in years if not all(covers(calendar, year) for calendar in CALENDARS)]
    if lacking:
        words = f"Unknown for {', '.join(lacking)}: those days are billed at peak rates."
        return Finding("holidays", Verdict.WARN, words, "Upgrade the package chinesecalendar.")
    return Finding("holidays", Verdict.OK, f"Known for {', '.join(map(str, years))}.")
