"""The catalog and the prices as JSON and CSV, from the same facts as the pages; exact figures, not rounded ones."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from smartoken.money import rate_text
from smartoken.operations.served import ServedModel
from smartoken.web import filters, views
from smartoken.web.pages.catalog import all_rows
from smartoken.web.render import Renderer
from smartoken.web.resources import Answer, Asked, text_answer

_CSV = "text/csv; charset=utf-8"
_JSON = "application/json"


def _text(pico: int | None) -> str | None:
    return None if pico is None else rate_text(pico)


def _record(row: views.Row) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "family": row.family,
        "vendor": row.vendor,
        "status": row.status,
        "ready": row.ready,
        "context": row.context,
        "max_output": row.max_output,
        "abilities": list(row.abilities),
        "regions": list(row.regions),
        "released": row.released.isoformat() if row.released else None,
        "input_usd_per_1m": _text(row.input),
        "cached_input_usd_per_1m": _text(row.cached),
        "output_usd_per_1m": _text(row.output),
        "more_prices": row.more_prices,
    }


def _found(renderer: Renderer, asked: Asked) -> list[views.Row]:
    return filters.apply(all_rows(renderer), filters.read(asked.query))


def models_json(renderer: Renderer, asked: Asked) -> Answer:
    """Return the models that fit the same filters as the page's."""
    rows = [_record(each) for each in _found(renderer, asked)]
    return Answer(orjson.dumps({"data": rows, "count": len(rows)}), _JSON)


def _table(head: Sequence[str], rows: Iterator[Sequence[object]]) -> Answer:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(head)
    writer.writerows([["" if cell is None else _safe(cell) for cell in row] for row in rows])
    return text_answer(out.getvalue(), _CSV)


def _safe(cell: object) -> object:
    """Keep a spreadsheet from reading a text as a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@") else cell


def models_csv(renderer: Renderer, asked: Asked) -> Answer:
    """Return the same as a table."""
    records = [_record(each) for each in _found(renderer, asked)]
    head = list(records[0]) if records else ["id"]
    rows = ([" ".join(cell) if isinstance(cell, list) else cell for cell in each.values()] for each in records)
    return _table(head, rows)


def _bands(served: ServedModel) -> list[dict[str, Any]]:
    if served.price is None:
        return []
    return [
        {
            "when": each.when,
            "input": rate_text(each.input),
            "cached_input": rate_text(each.cached),
            "cache_write": rate_text(each.cache_write),
            "output": rate_text(each.output),
        }
        for each in views.band_rows(served.price)
    ]


def prices_json(renderer: Renderer, asked: Asked) -> Answer:
    """Return the whole price book: USD per 1M tokens as decimal strings."""
    del asked
    rows = []
    for served in renderer.site.models:
        price = served.price
        if price is None:
            continue
        hours = price.time_of_day
        rows.append(
            {
                "model": served.model.id,
                "currency": price.currency,
                "version": served.price_version,
                "source": price.source,
                "source_date": price.source_date,
                "note": price.note,
                "off_peak_percent": hours.off_peak_percent if hours is not None else None,
                "bands": _bands(served),
            }
        )
    return Answer(orjson.dumps({"data": rows, "unit": "USD per 1M tokens"}), _JSON)


def prices_csv(renderer: Renderer, asked: Asked) -> Answer:
    """Return the price book as a table, one line for each band."""
    del asked
    head = ("model", "when", "input", "cached_input", "cache_write", "output", "version", "source_date")

    def rows() -> Iterator[Sequence[object]]:
        for served in renderer.site.models:
            date = served.price.source_date if served.price is not None else ""
            for band in _bands(served):
                yield (served.model.id, *band.values(), served.price_version, date)

    return _table(head, rows())
