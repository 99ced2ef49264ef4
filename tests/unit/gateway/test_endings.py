"""What a client is told when nobody answered."""

import pytest

from smartoken.errors import FailureClass, UpstreamUnavailableError
from smartoken.gateway.endings import final_error
from smartoken.providers.failures import Failure

WAITS = [([None], 5.0), ([30.0], 30.0), ([600.0, 20.0], 20.0), ([9_999_999.0], 900.0), ([251_606_707_199.0], 900.0)]


@pytest.mark.parametrize(("waits", "told"), WAITS)
def test_a_client_is_never_told_to_wait_longer_than_anything_rests(waits, told):
    failures = [("up", Failure(FailureClass.OWN_RATE_LIMIT, "slow down", retry_after_s=each)) for each in waits]
    error = final_error("test/alpha", failures)
    assert isinstance(error, UpstreamUnavailableError)
    assert error.retry_after_s == told
