"""What a key may read: the models it can call, its own calls, and its own budget and limits."""

import time
from collections.abc import Iterable, Mapping
from typing import Any

from smartoken.catalog.offers import Band, Price
from smartoken.errors import ModelNotFoundError, NotFoundError
from smartoken.gateway.plan import resolve
from smartoken.gateway.resources import Gateway
from smartoken.identity.facts import ApiKey, Caller
from smartoken.identity.scopes import allows
from smartoken.ids import is_id
from smartoken.money import amount_text, rate_text
from smartoken.operations.directory import Directory, ServedModel
from smartoken.routing.routes import breach
from smartoken.usage.reasons import reason_of
from smartoken.usage.records import CallRecord, attempts_told, shown_lines


def _band(band: Band) -> dict[str, Any]:
    shown: dict[str, Any] = {"input": rate_text(band.input), "output": rate_text(band.output)}
    if band.cached_input is not None:
        shown["cached_input"] = rate_text(band.cached_input)
    if band.cache_write is not None:
        shown["cache_write"] = rate_text(band.cache_write)
    for name in ("up_to_prompt_tokens", "up_to_output_tokens", "thinking"):
        value = getattr(band, name)
        if value is not None:
            shown[name] = value
    return shown


def shown_price(price: Price | None) -> dict[str, Any] | None:
    """Return a price per 1M tokens in decimal strings: the first band's rates flat, and every band."""
    if price is None:
        return None
    bands = [_band(each) for each in price.bands]
    shown = {"currency": price.currency, "unit": "1M tokens", **bands[0]}
    if len(bands) > 1:
        shown["bands"] = bands
    hours = price.time_of_day
    if hours is not None:
        shown["time_of_day"] = {
            "zone": hours.zone,
            "peak": [[start.isoformat("minutes"), end.isoformat("minutes")] for start, end in hours.peak],
            "weekdays": list(hours.weekdays),
            "holidays": hours.holidays,
            "off_peak_percent": hours.off_peak_percent,
        }
    return shown


def shown_model(served: ServedModel, *, available: bool) -> dict[str, Any]:
    """Return a model as ``GET /v1/models`` lists it: OpenAI's members first, then ours."""
    model = served.model
    return {
        "id": model.id,
        "object": "model",
        "created": int(model.released.strftime("%s")) if model.released else 0,
        "owned_by": model.vendor,
        "name": model.name,
        "context": model.context,
        "max_output": model.max_output,
        "modalities": {"input": list(model.input_modalities), "output": list(model.output_modalities)},
        "abilities": {
            "tools": model.abilities.tools,
            "json_mode": model.abilities.json_mode,
            "json_schema": model.abilities.json_schema,
            "vision": model.abilities.vision,
            "reasoning": model.reasoning.supported,
        },
        "price": shown_price(served.price),
        "available": available,
        "status": model.status,
    }


def _available(served: ServedModel, caller: Caller | None) -> bool:
    if served.price is None or not served.offers:
        return False
    if caller is None:
        return True
    if not allows(caller.key.models, served.model.id):
        return False
    rules = (caller.account.policy, caller.key.policy)
    return any(all(breach(rule, each.offer.policy) is None for rule in rules) for each in served.offers)


def _sold(directory: Directory, caller: Caller | None) -> Iterable[ServedModel]:
    """Return every model at the price that the caller pays now."""
    now_ms, price_list = time.time_ns() // 1_000_000, caller.account.price_list if caller is not None else None
    return [directory.sold(each, price_list, now_ms) for each in directory.models.values()]


def list_models(directory: Directory, caller: Caller | None, *, whole_catalog: bool) -> dict[str, Any]:
    """Return the models that can be called now, by this caller if there is one; or the whole catalog, marked."""
    rows = [(each, _available(each, caller)) for each in _sold(directory, caller)]
    shown = [shown_model(each, available=ready) for each, ready in rows if ready or whole_catalog]
    return {"object": "list", "data": sorted(shown, key=lambda row: row["id"])}


def one_model(directory: Directory, caller: Caller | None, asked: str) -> dict[str, Any]:
    """Return one model by id or alias; raises ``ModelNotFoundError``."""
    served = resolve(directory, asked, caller.account.id if caller is not None else "").model
    price_list = caller.account.price_list if caller is not None else None
    served = directory.sold(served, price_list, time.time_ns() // 1_000_000)
    if caller is not None and not allows(caller.key.models, served.model.id):
        raise ModelNotFoundError(f"There is no model `{asked[:100]}` for this key.", param="model")
    return shown_model(served, available=_available(served, caller))


def shown_key(key: ApiKey, budget: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what ``GET /v1/key`` says of the key that asks."""
    return {
        "name": key.name,
        "prefix": key.prefix,
        "environment": key.environment,
        "owner": key.owner,
        "workflow": key.workflow,
        "models": list(key.models),
        "limits": {"rpm": key.rpm, "tpm": key.tpm, "concurrency": key.concurrency},
        "budget": dict(budget) if budget is not None else None,
    }


async def key_budget(gateway: Gateway, caller: Caller) -> dict[str, Any] | None:
    """Return the tightest of a key's own budgets with its three figures, exact to the moment; none without a budget."""
    now = gateway.clock.now()
    windows = gateway.till.windows_of_key(caller.key.id, caller.account.id, now)
    if not windows:
        return None
    stored = await gateway.stored_figures([each.row for each in windows])
    shown = []
    for each in windows:
        used, _ = stored.get(each.row, (0, 0))
        spent, held = gateway.till.unstored(each.row)
        limit = each.budget.limit_nano
        shown.append((limit - used - spent - held, limit, used + spent, held, each))
    available, limit, used, held, tightest = min(shown, key=lambda row: row[0])
    return {
        "limit": amount_text(limit),
        "used": amount_text(used),
        "held": amount_text(held),
        "available": amount_text(available),
        "period": tightest.budget.period.value,
        "resets_at": tightest.window.end.isoformat() if tightest.window.end is not None else None,
    }


def shown_call(record: CallRecord, *, show_providers: bool) -> dict[str, Any]:
    """Return a call with its charge worked out and its attempts in order."""
    attempts = attempts_told(record.attempts)
    if not show_providers:
        attempts = [{**each, "provider": None, "offer": None, "key": None} for each in attempts]
    return {
        "id": record.id,
        "created_ms": record.created_ms,
        "model_asked": record.model_asked,
        "model": record.model,
        "model_served": record.model_served,
        "provider": record.provider if show_providers else None,
        "stream": record.stream,
        "status": record.status,
        "error_code": record.error_code,
        "end_reason": record.end_reason,
        "prompt_tokens": record.prompt_tokens,
        "cached_tokens": record.cached_tokens,
        "cache_write_tokens": record.cache_write_tokens,
        "completion_tokens": record.completion_tokens,
        "reasoning_tokens": record.reasoning_tokens,
        "usage_source": record.usage_source,
        "suspect": record.suspect,
        "charge_usd": amount_text(record.charge_nano),
        "price_version": record.price_version,
        "price_lines": shown_lines(record.price_lines),
        "ttft_ms": record.ttft_ms,
        "total_ms": record.total_ms,
        "attempts": attempts,
        "reason": reason_of(record._asdict()),
        "evidence": record.evidence,
    }


async def one_call(gateway: Gateway, caller: Caller, call_id: str) -> dict[str, Any]:
    """Return one call of the caller's account, from memory first; raises ``NotFoundError``."""
    record = gateway.settler.recent(call_id)
    if record is None and is_id(call_id, "call"):
        record = await gateway.stored_call(caller.account.id, call_id)
    if record is None or record.account_id != caller.account.id:
        raise NotFoundError(f"There is no call `{call_id[:80]}` of this account.", param="call_id")
    return shown_call(record, show_providers=gateway.directory.current.show_providers)
