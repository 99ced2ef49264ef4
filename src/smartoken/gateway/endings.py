"""How a call ends when it does not end well: from upstream failures to what the client is told. Pure.

An upstream's own 401, 402 or 429 never reaches a client as such: those are between us and the provider.
"""

from collections.abc import Sequence
from http import HTTPStatus

from smartoken.errors import (
    ContentFilteredError,
    ContextLengthError,
    FailureClass,
    InvalidRequestError,
    SmartokenError,
    UpstreamFailedError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from smartoken.gateway.call import EndReason, Outcome, Plan
from smartoken.providers.failures import Failure
from smartoken.routing.breakers import CEILING_S
from smartoken.routing.reactions import MAY_RECOVER, told_to_client

DEFAULT_RETRY_S = 5.0


class AttemptFailedError(Exception):
    """An attempt failed before content reached the client, so another may be made."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def request_error(failure: Failure) -> SmartokenError:
    """Return the client's error for a failure that is about the request."""
    if failure.kind is FailureClass.REFUSAL:
        return ContentFilteredError(f"The provider's content policy refused this: {failure.message}")
    if failure.kind is FailureClass.CONTEXT_LENGTH:
        return ContextLengthError(f"The prompt does not fit the model: {failure.message}", param="messages")
    return InvalidRequestError(f"The provider refused the request: {failure.message}", param=failure.param)


def final_error(model: str, failures: Sequence[tuple[str, Failure]]) -> SmartokenError:
    """Return the client's error after every attempt failed; ``failures`` are (provider, failure) in order."""
    if failures and told_to_client(failures[-1][1].kind):
        return request_error(failures[-1][1])
    named = [
        {"provider": provider, "failure": failure.kind, "status": failure.status, "message": failure.message}
        for provider, failure in failures
    ]
    kinds = {failure.kind for _, failure in failures}
    details: dict[str, object] = {"attempts": named}
    listed = "; ".join(f"{provider}: {failure.kind.replace('_', ' ')}" for provider, failure in failures)
    if kinds and kinds <= {FailureClass.TIMEOUT}:
        return UpstreamTimeoutError(f"No provider of `{model}` answered in time ({listed}).", details=details)
    if kinds & MAY_RECOVER:
        waits = [failure.retry_after_s for _, failure in failures if failure.retry_after_s is not None]
        return UpstreamUnavailableError(
            f"No provider of `{model}` could answer ({listed}).",
            retry_after_s=min(*waits, CEILING_S) if waits else DEFAULT_RETRY_S,
            details=details,
        )
    return UpstreamFailedError(f"No provider of `{model}` could answer ({listed}).", details=details)


def failed_everywhere(outcome: Outcome, plan: Plan, failures: Sequence[tuple[str, Failure]]) -> None:
    """Complete an outcome in which no attempt answered; nothing is charged."""
    named = failures if plan.show_providers else [(f"provider {n}", each) for n, (_, each) in enumerate(failures, 1)]
    error = final_error(plan.model.model.id, named)
    outcome.error = error
    outcome.status = error.status
    outcome.usage = None
    outcome.end = EndReason.UPSTREAM_ERROR
    if isinstance(error, ContentFilteredError):
        outcome.end = EndReason.CONTENT_FILTER
    elif error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        outcome.end = EndReason.REFUSED
    elif failures and failures[-1][1].message == NO_CONTENT:
        outcome.end = EndReason.ZERO_OUTPUT


NO_CONTENT = "The answer holds no content."


def no_content() -> AttemptFailedError:
    """Return the failure of an answer that is whole but empty."""
    return AttemptFailedError(Failure(FailureClass.BAD_ANSWER, NO_CONTENT, None, 200, None, None))
