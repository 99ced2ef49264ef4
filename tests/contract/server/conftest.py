"""Every test of this folder runs under both event loops, and none may leave a task or an error behind."""

import pytest

from contract.client.conftest import Run, run

__all__ = ["Run", "run"]


@pytest.fixture(autouse=True)
def _quiet_logs(caplog: pytest.LogCaptureFixture) -> None:
    """Let failures of the applications under test be logged without reaching the terminal."""
    caplog.set_level("CRITICAL", logger="nothing")
