"""What a call would cost and hold, without making it: the decisions of admission, and nothing held or charged.

``expected`` is a guess by the estimated prompt and an assumed answer, which the client may name; ``worst_case`` is the
bound, as if money were no question; ``hold`` is what admission would do this moment, the refusal included.
"""

from typing import Any
from urllib.parse import parse_qs

from smartoken.billing.bound import HoldPlan, Reach, bound, bound_by_band, first_hold
from smartoken.billing.bound import Wish as Length
from smartoken.billing.prices import Tariff
from smartoken.errors import InvalidRequestError
from smartoken.gateway.call import Call, Plan
from smartoken.gateway.lengths import length_of, reach_of
from smartoken.gateway.meter import estimate_prompt
from smartoken.gateway.pipeline import call_of
from smartoken.gateway.plan import plan_call
from smartoken.gateway.protocols.chat import MAX_LIMIT, read_chat
from smartoken.gateway.request import Request
from smartoken.gateway.resources import Gateway
from smartoken.gateway.till import Quote
from smartoken.identity.facts import Caller
from smartoken.money import amount_text, rate_text
from smartoken.tokens import TokenUsage

ASSUMED_ANSWER = 500  # tokens a choice, where the client names no other figure
_NO_QUESTION = 1 << 62  # nano-USD


def _assumed(request: Request) -> int:
    """Return the length of the answer to reckon with: the query's ``completion_tokens``, or ours.

    Raises:
        InvalidRequestError: it is not a whole number within the range of output limits.

    """
    values = parse_qs(request.query.decode("latin-1"), keep_blank_values=True).get("completion_tokens")
    if values is None:
        return ASSUMED_ANSWER
    text = values[-1]
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_LIMIT)) and int(text) <= MAX_LIMIT):
        raise InvalidRequestError(
            f"`completion_tokens` must be a whole number from 0 to {MAX_LIMIT}.", param="completion_tokens"
        )
    return int(text)


def _longest(tariff: Tariff, reach: Reach, length: Length) -> int:
    """Return the longest answer a choice that the call may bring, were money no question."""
    plan = first_hold((tariff,), reach, length, _NO_QUESTION)
    assert isinstance(plan, HoldPlan)  # noqa: S101 - everything fits when money is no question
    return plan.ceiling


def _bands(tariff: Tariff, reach: Reach, longest: int) -> list[dict[str, Any]]:
    shown = []
    for each in bound_by_band(tariff, reach, longest):
        tier, rates = each.tier, each.tier.rates
        shown.append(
            {
                "up_to_prompt_tokens": tier.up_to_prompt,
                "up_to_output_tokens": tier.up_to_output,
                "thinking": each.thinking,
                "usd_per_1m": {
                    "input": rate_text(rates.input),
                    "cached_input": rate_text(rates.cached_input),
                    "cache_write": rate_text(rates.cache_write),
                    "output": rate_text(rates.output),
                },
                "worst_case_usd": amount_text(each.nano),
            }
        )
    return shown


def _offers(call: Call, plan: Plan, tariff: Tariff) -> list[dict[str, Any]]:
    """Return the offers in the order in which they would be tried; templates and limits differ, hence the bound."""
    shown = []
    for target in plan.targets:
        alone = plan._replace(targets=(target,))
        reach = reach_of(call, alone)
        longest = _longest(tariff, reach, length_of(call, alone))
        offer = target.offer.offer
        shown.append(
            {
                "offer": offer.id if plan.show_providers else None,
                "provider": target.offer.provider.id if plan.show_providers else None,
                "prompt_tokens_at_most": reach.prompt,
                "completion_tokens_at_most": longest * reach.choices,
                "worst_case_usd": amount_text(bound((tariff,), reach, longest)),
            }
        )
    return shown


def _hold(quote: Quote) -> dict[str, Any]:
    plan, refusal = quote.plan, quote.refusal
    shown: dict[str, Any] = {
        "available_usd": amount_text(quote.available_nano),
        "admitted": refusal is None and isinstance(plan, HoldPlan),
        "refusal": None,
    }
    if isinstance(plan, HoldPlan):
        shown["usd"], shown["completion_tokens"] = amount_text(plan.nano), plan.tokens
        shown["grows"], shown["max_tokens"] = plan.ceiling > plan.tokens, plan.told
    else:
        shown["usd"] = amount_text(plan.need_nano)
        shown["completion_tokens"] = shown["max_tokens"] = None
        shown["grows"] = False
    if refusal is not None:
        shown["refusal"] = {
            "code": refusal.code,
            "status": refusal.status,
            "message": refusal.message,
            "limit_source": refusal.limit_source,
            "remedy": refusal.remedy_text,
        }
    return shown


async def estimate(gateway: Gateway, request: Request, caller: Caller) -> dict[str, Any]:
    """Answer ``POST /v1/estimate``.

    Raises:
        SmartokenError: what a call with this body would be refused with for its body, its model or its key.

    """
    assumed = _assumed(request)
    asked = read_chat(await request.body(gateway.limits.max_body_bytes))
    call = call_of(gateway, request, caller, "", asked)
    plan = plan_call(call, gateway.directory.current, gateway.upstreams)
    price = plan.model.price
    assert price is not None  # noqa: S101 - a model without a price is never planned
    tariff = gateway.tariffs.at(price, call.now)
    quote = await gateway.till.quote(call, plan, tariff)
    reach = reach_of(call, plan)
    longest = _longest(tariff, reach, length_of(call, plan))
    prompt = min(estimate_prompt(asked.body), reach.prompt)
    answer = min(assumed, longest) * reach.choices
    usage = TokenUsage(prompt, answer)
    expected = max(tariff.charge(usage, thinking=each).nano for each in (False, True))
    return {
        "object": "estimate",
        "model": plan.model.model.id,
        "price_version": plan.model.price_version,
        "expected_usd": amount_text(expected),
        "expected": {"prompt_tokens": prompt, "completion_tokens": answer},
        "worst_case_usd": amount_text(bound((tariff,), reach, longest)),
        "worst_case": {"prompt_tokens": reach.prompt, "completion_tokens": longest * reach.choices},
        "hold": _hold(quote),
        "bands": _bands(tariff, reach, longest),
        "offers": _offers(call, plan, tariff),
        "warnings": list(plan.warnings),
    }
