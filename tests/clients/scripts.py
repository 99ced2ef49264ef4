"""Run a client's script against a gateway, as its users would, and read what it saw."""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from clients.environments import HERE, environment, node, npm_project

# A client talks to the loopback only; settings of the machine would change what it does.
DROPPED = ("OPENAI_", "LITELLM_", "LANGCHAIN_", "LANGSMITH_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NODE_OPTIONS")


def address_of(folder):
    """Return the address at which a server serves this data dir; None until ``run.json`` is there and whole."""
    with contextlib.suppress(OSError, ValueError):
        return json.loads((folder / "run.json").read_text())["address"]
    return None


def run_script(client, script, gateway, **settings):
    """Run ``tests/clients/CLIENT/SCRIPT`` with the client's own packages; the JSON that it prints as its last line.

    A script that fails fails the test with what it wrote to stderr.
    """
    env = {name: value for name, value in os.environ.items() if not name.upper().startswith(DROPPED)}
    env |= {"GATEWAY_URL": gateway.base_url, "GATEWAY_KEY": gateway.key, **settings}
    source = HERE / client / script
    with tempfile.TemporaryDirectory(prefix="smartoken-client-") as folder:
        place = Path(folder)
        if source.suffix == ".mjs":
            (place / "node_modules").symlink_to(npm_project(client) / "node_modules")
            shutil.copy(source, place)
            argv = [node().node, str(place / script)]
        else:
            argv = [environment(client), "-I", str(source)]
        done = subprocess.run(
            argv, env=env, cwd=place, capture_output=True, text=True, timeout=180, check=False, stdin=subprocess.DEVNULL
        )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])
