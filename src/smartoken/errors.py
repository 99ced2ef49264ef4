"""Every error that leaves the product, in one tree, and the classes of upstream failure. Pure.

    SmartokenError
    ├── RequestError                 the caller can mend it; never retryable as it stands
    │   ├── InvalidRequestError          400 invalid_request
    │   ├── ContextLengthError           400 context_length_exceeded
    │   ├── ContentFilteredError         400 content_filtered
    │   ├── CodeRefusedError             400 code_not_redeemable
    │   ├── RequestTooLargeError         413 request_too_large
    │   ├── ModelNotFoundError           404 model_not_found
    │   ├── NotFoundError                404 not_found
    │   ├── EndpointNotSupportedError    404 endpoint_not_supported
    │   ├── MethodNotAllowedError        405 method_not_allowed
    │   └── IdempotencyConflictError     409 idempotency_conflict
    ├── AccessError                  who is asking
    │   ├── InvalidApiKeyError           401 invalid_api_key
    │   ├── KeyExpiredError              401 key_expired
    │   ├── KeyRevokedError              401 key_revoked
    │   ├── KeyPausedError               403 key_paused
    │   ├── AccountSuspendedError        403 account_suspended
    │   ├── ModelNotAllowedError         403 model_not_allowed
    │   ├── IpNotAllowedError            403 ip_not_allowed
    │   ├── PermissionDeniedError        403 permission_denied
    │   ├── NotEligibleError             403 not_eligible
    │   └── NoCompliantRouteError        403 no_compliant_route
    ├── LimitError                   money and rates
    │   ├── InsufficientBalanceError     402 insufficient_balance
    │   ├── BudgetExceededError          402 budget_exceeded
    │   ├── RequestExceedsBudgetError    402 request_exceeds_budget
    │   ├── InFlightBudgetError          429 in_flight_budget_exhausted
    │   └── RateLimitError               429 rate_limit_exceeded
    └── ServiceError                 our side or the provider's
        ├── ModelNotConfiguredError      503 model_not_configured
        ├── ModelNotPricedError          503 model_not_priced
        ├── UpstreamUnavailableError     503/502 upstream_unavailable
        ├── UpstreamTimeoutError         504 upstream_timeout
        ├── UpstreamCutError             502 upstream_cut (only ever inside a stream)
        ├── LedgerUnavailableError       503 ledger_unavailable
        ├── ShuttingDownError            503 shutting_down
        └── InternalError                500 internal_error

Each class says its status, OpenAI ``type``, ``code``, whether a call that ends so is billed, whether the same request
may succeed later, and what to do. ``docs/errors/<code>.md`` is the page of each; a test keeps the two in step.
"""

from enum import StrEnum
from typing import ClassVar


class FailureClass(StrEnum):
    """What an upstream's failure means for routing; the action for each is in ``docs/routing.md``."""

    KEY_BROKE = "key_broke"  # no money on this upstream key: park it until a person acts
    KEY_INVALID = "key_invalid"  # wrong key, region or plan: park it, alarm
    KEY_LACKS_MODEL = "key_lacks_model"  # this key may not call this model: mark the pair
    OWN_RATE_LIMIT = "own_rate_limit"  # our key is over its limit: cool it, use another
    RAMP_TOO_FAST = "ramp_too_fast"  # slow down, the same key works after seconds
    PROVIDER_CAPACITY = "provider_capacity"  # their overload or fault: another provider
    WINDOW_USED_UP = "window_used_up"  # a plan's window is spent: park until its reset
    REFUSAL = "refusal"  # content policy: told to the caller, never silently retried
    CONTEXT_LENGTH = "context_length"  # the prompt is too long for this offer
    REQUEST_FAULT = "request_fault"  # the request itself is wrong: told to the caller
    CONNECT = "connect"  # no connection, DNS or TLS: nothing was sent
    TIMEOUT = "timeout"  # no answer in time
    CUT = "cut"  # the answer broke off
    BAD_ANSWER = "bad_answer"  # not a valid answer of this protocol


class SmartokenError(Exception):
    """Base of all errors that a caller can see. ``message`` must never hold a secret."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    code: ClassVar[str] = "internal_error"
    billed: ClassVar[bool] = False
    retryable: ClassVar[bool] = False
    remedy: ClassVar[str] = "Try again; if it persists, send the request id to support."

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        limit_source: str | None = None,
        remedy: str | None = None,
        retry_after_s: float | None = None,
        details: dict[str, object] | None = None,
    ) -> None:
        """Keep what the rendered error shows; ``details`` adds members beside the fixed ones."""
        super().__init__(message)
        self.message = message
        self.param = param
        self.limit_source = limit_source
        self.remedy_text = remedy or self.remedy
        self.retry_after_s = retry_after_s
        self.details = details or {}


class RequestError(SmartokenError):
    """The request is at fault."""

    status = 400
    type = "invalid_request_error"
    code = "invalid_request"
    remedy = "Correct the parameter named in `param` and send the request again."


class InvalidRequestError(RequestError):
    """The body or a parameter is not what the interface takes."""


class ContextLengthError(RequestError):
    """Prompt and answer do not fit the model's context."""

    code = "context_length_exceeded"
    remedy = "Shorten the messages or choose a model with a longer context."


class ContentFilteredError(RequestError):
    """The provider's content policy refused the prompt."""

    code = "content_filtered"
    remedy = "Change the prompt, or choose a model of another provider."


class CodeRefusedError(RequestError):
    """The activation code or link cannot be redeemed; which of the possible reasons it is, is not told."""

    code = "code_not_redeemable"
    remedy = "Check the code for typing mistakes; ask whoever gave it to you for another."


class RequestTooLargeError(RequestError):
    """The body is over the size limit."""

    status = 413
    code = "request_too_large"
    remedy = "Send a smaller body; large files belong behind a URL."


class ModelNotFoundError(RequestError):
    """No model has this id."""

    status = 404
    code = "model_not_found"
    remedy = "List the model ids with GET /v1/models."


class NotFoundError(RequestError):
    """Nothing of this id belongs to the caller."""

    status = 404
    code = "not_found"
    remedy = "Check the id or the name, and the account that it belongs to."


class EndpointNotSupportedError(RequestError):
    """The path is not one that this gateway serves."""

    status = 404
    code = "endpoint_not_supported"
    remedy = "Use POST /v1/chat/completions."


class MethodNotAllowedError(RequestError):
    """The path exists, the method does not."""

    status = 405
    code = "method_not_allowed"
    remedy = "Use the method that the documentation names."


class IdempotencyConflictError(RequestError):
    """The idempotency key was used with another body."""

    status = 409
    code = "idempotency_conflict"
    remedy = "Use a new Idempotency-Key for a new request."


class AccessError(SmartokenError):
    """The caller may not do this."""

    status = 403
    type = "permission_error"
    code = "permission_denied"
    remedy = "Ask the owner of the account for access."


class InvalidApiKeyError(AccessError):
    """No key, a malformed key or an unknown one."""

    status = 401
    type = "authentication_error"
    code = "invalid_api_key"
    remedy = "Send `Authorization: Bearer sk-st-...` with a key from this gateway."


class KeyExpiredError(AccessError):
    """The key's time is over."""

    status = 401
    type = "authentication_error"
    code = "key_expired"
    remedy = "Create or rotate the key."


class KeyRevokedError(AccessError):
    """The key was revoked."""

    status = 401
    type = "authentication_error"
    code = "key_revoked"
    remedy = "Use another key; a revoked key never works again."


class KeyPausedError(AccessError):
    """The key is paused."""

    code = "key_paused"
    remedy = "Resume the key with `smartoken key resume`, or ask whoever manages it."


class AccountSuspendedError(AccessError):
    """The whole account is suspended."""

    code = "account_suspended"
    remedy = "Contact the operator of this gateway."


class ModelNotAllowedError(AccessError):
    """The model is outside the key's scope."""

    code = "model_not_allowed"
    remedy = "Use a model of the key's scope (GET /v1/key) or widen the scope."


class IpNotAllowedError(AccessError):
    """The caller's address is not on the key's list."""

    code = "ip_not_allowed"
    remedy = "Add the address to the key's allowed_ips."


class PermissionDeniedError(AccessError):
    """The actor's role does not allow this operation."""


class NotEligibleError(AccessError):
    """The account does not meet a campaign's rules; ``reasons`` lists every rule that it does not meet."""

    code = "not_eligible"
    remedy = "Read the rules of the campaign; `reasons` says which of them are not met."


class NoCompliantRouteError(AccessError):
    """Every offer of the model breaks the data policy."""

    code = "no_compliant_route"
    remedy = "Choose another model or widen the account's or key's data policy."


class LimitError(SmartokenError):
    """A limit of money or rate was reached."""

    status = 402
    type = "insufficient_quota"


class InsufficientBalanceError(LimitError):
    """The wallet and its grants cannot pay for the call."""

    code = "insufficient_balance"
    remedy = "Add funds, redeem a code, or lower max_tokens."


class BudgetExceededError(LimitError):
    """A budget of the key or account is spent."""

    code = "budget_exceeded"
    remedy = "Raise the budget or wait for its next period."


class RequestExceedsBudgetError(LimitError):
    """This one call could cost more than the whole budget has left."""

    code = "request_exceeds_budget"
    remedy = "Lower max_tokens or shorten the prompt, or raise the budget."


class InFlightBudgetError(LimitError):
    """The money is there, but held by calls under way."""

    status = 429
    type = "rate_limit_error"
    code = "in_flight_budget_exhausted"
    retryable = True
    remedy = "Wait for running calls to end, then retry."


class RateLimitError(LimitError):
    """A rate or concurrency limit was reached."""

    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"
    retryable = True
    remedy = "Wait for the time in Retry-After, then retry."


class ServiceError(SmartokenError):
    """The gateway or a provider could not serve the call."""

    status = 503
    type = "server_error"
    retryable = True


class ModelNotConfiguredError(ServiceError):
    """The model is in the catalog, but no provider key serves it here."""

    code = "model_not_configured"
    retryable = False
    remedy = "Set the named environment variable or add the provider with `smartoken apply`."


class ModelNotPricedError(ServiceError):
    """The model has no known price, so it is not sold."""

    code = "model_not_priced"
    retryable = False
    remedy = "Set a sell price for the model with `smartoken apply`."


class UpstreamUnavailableError(ServiceError):
    """No provider answered; each attempt is named."""

    code = "upstream_unavailable"
    remedy = "Retry after the time in Retry-After, or add a fallback route."


class UpstreamFailedError(UpstreamUnavailableError):
    """No provider answered, and retrying will not help until an operator acts."""

    status = 502
    retryable = False
    remedy = "Tell the operator: every provider key for this model failed."


class UpstreamTimeoutError(ServiceError):
    """A provider took too long."""

    status = 504
    code = "upstream_timeout"
    remedy = "Retry; consider a shorter prompt or a faster model."


class UpstreamCutError(ServiceError):
    """The provider's answer broke off after output was sent."""

    status = 502
    code = "upstream_cut"
    billed = True
    remedy = "The answer is incomplete; what was sent is billed. Retry if you need the whole."


class LedgerUnavailableError(ServiceError):
    """Money cannot be held, so nothing is started."""

    code = "ledger_unavailable"
    remedy = "Retry after a few seconds; the operator has been alarmed."


class ShuttingDownError(ServiceError):
    """This process is draining."""

    code = "shutting_down"
    remedy = "Retry; another worker or the restarted one will answer."


class InternalError(ServiceError):
    """Our own fault."""

    status = 500
    code = "internal_error"


def error_body(
    error: SmartokenError, request_id: str, docs_url: str = "/help/errors", *, billed: bool | None = None
) -> dict[str, object]:
    """Return the one shape of an error on every plane: ``{"error": {...}}``, as ``docs/errors`` explains it.

    ``billed`` is what the call really came to, where that is known; else what its class says.
    """
    fields: dict[str, object] = {
        "message": error.message,
        "type": error.type,
        "code": error.code,
        "param": error.param,
        "request_id": request_id,
        "doc_url": f"{docs_url}/{error.code}",
        "billed": error.billed if billed is None else billed,
        "limit_source": error.limit_source,
        "remedy": error.remedy_text,
    }
    if error.retry_after_s is not None:
        fields["retry_after_s"] = max(1, -int(-error.retry_after_s // 1))  # whole seconds, as the header has them
    for name, value in error.details.items():
        fields.setdefault(name, value)
    return {"error": fields}


def all_errors() -> tuple[type[SmartokenError], ...]:
    """Every concrete class of the tree, for documentation and tests."""
    found: list[type[SmartokenError]] = []
    queue = list(SmartokenError.__subclasses__())
    groups = {RequestError, AccessError, LimitError, ServiceError}
    while queue:
        each = queue.pop(0)
        queue.extend(each.__subclasses__())
        if each not in groups:
            found.append(each)
    return tuple(found)
