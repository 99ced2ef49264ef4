"""The built-in scripted upstream: every answer and every fault on demand, deterministic, with usage that is true."""

from smartoken.sandbox.server import Sandbox

__all__ = ["Sandbox"]
