"""What the wheel carries beside the code: built assets and the docs, so that the site needs no Node and no checkout.

A build that fails stops the wheel; a wheel without its stylesheet would look whole and not be.
"""

import runpy
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # the backend takes it by this name
    """Called by hatchling before it packs the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build, and name what is packed where."""
        del version
        root = Path(self.root)
        place = root / "build" / "web"
        runpy.run_path(str(root / "frontend" / "build.py"))["build"](place)
        build_data["force_include"][str(place)] = "smartoken/web/assets"
        for name in ("docs", "examples"):
            build_data["force_include"][str(root / name)] = f"smartoken/{name}"
