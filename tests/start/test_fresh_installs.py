"""Start cases that install everything anew from the registry: minutes, so they are slow tests."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from start import checkout
from start.checkout import clean_environment, copy, printed_curl, serving

pytestmark = pytest.mark.slow
VERSIONS = ("3.11", "3.12", "3.13", "3.14")


def interpreter(version: str) -> str | None:
    """A Python of this version that runs, from PATH or from pyenv."""
    places = [Path(folder) / f"python{version}" for folder in os.environ["PATH"].split(os.pathsep)]
    home = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    places += sorted(home.glob(f"versions/{version}.*/bin/python{version}"))
    for place in places:
        if place.is_file():
            probe = [str(place), "-c", "import ssl, sqlite3"]
            if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
                return str(place)
    return None


@pytest.fixture(params=VERSIONS)
def python(request) -> str:
    """Each Python that the product is made for."""
    found = interpreter(request.param)
    if found is None:
        pytest.skip(f"Python {request.param} is not on this machine")
    return found


def test_the_first_answer_comes_within_a_minute_on_each_python(python, tmp_path):
    place = copy(tmp_path / "smartoken")
    began = time.monotonic()
    with serving(place, env={"SMARTOKEN_PYTHON": python, "SMARTOKEN_PORT": "0"}) as served:
        assert '"sandbox/echo"' in printed_curl(place, served.address)
        assert time.monotonic() - began < 60
    with serving(place, env={"SMARTOKEN_PORT": "0"}) as served:
        assert served.after_s < 2


def machine_without_node(place: Path) -> dict[str, str]:
    """An environment with one Python, a shell and an empty home: no Node, no npm, no caches of any installer."""
    home = place / "home"
    home.mkdir()
    path = checkout.bare_path(place)
    (Path(path) / "sh").symlink_to("/bin/sh")
    return {"PATH": path, "HOME": str(home), "PIP_CERT": os.environ.get("PIP_CERT", ""), "SMARTOKEN_PORT": "0"}


def test_without_node_and_without_caches_the_first_answer_comes_before_the_assets(tmp_path, record_property):
    place, env = copy(tmp_path / "smartoken"), machine_without_node(tmp_path)
    manifest = place / "build" / "web" / "manifest.json"
    began = time.monotonic()
    with serving(place, env=env, only=True) as served:
        assert '"sandbox/echo"' in printed_curl(place, served.address)
        answered_s = time.monotonic() - began
        assert not manifest.exists()
        assert served.answer("/models") == 200
        while not manifest.exists():
            assert time.monotonic() - began < 300, (place / "build" / "web.log").read_text()
            time.sleep(0.2)
        assets_s = time.monotonic() - began
    with serving(place, env=env, only=True) as served:
        assert served.after_s < 2
        assert '"sandbox/echo"' in printed_curl(place, served.address)
    times = f"first answer {answered_s:.1f} s, assets {assets_s:.1f} s, second start {served.after_s:.1f} s"
    record_property("without_node", times)
    sys.stdout.write(f"{times}\n")
    assert answered_s < 60


def test_unit_and_contract_tests_pass_on_each_python(python, tmp_path):
    place = copy(tmp_path / "smartoken")
    said = checkout.dev(place, "test", "tests/unit", "tests/contract", env={"SMARTOKEN_PYTHON": python})
    assert said.code == 0, said.text[-4000:]
    assert " passed" in said.text


def test_a_python_without_ensurepip_installs_too(tmp_path):
    place = copy(tmp_path / "smartoken")
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "ensurepip.py").write_text("raise ImportError('no ensurepip here')\n")
    env = {"PYTHONPATH": str(hidden), "SMARTOKEN_PYTHON": sys.executable, "SMARTOKEN_PORT": "0"}
    with serving(place, env=env) as served:
        assert '"sandbox/echo"' in printed_curl(place, served.address)
    assert not list((place / ".venv").glob("lib/python*/site-packages/pip"))


def test_someone_who_is_not_root_installs_and_starts(tmp_path):
    system = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    if os.geteuid() != 0:
        pytest.skip("the other cases of this file run as somebody who is not root already")
    if system is None or shutil.which("setpriv") is None:
        pytest.skip("no system Python or no setpriv: another user cannot be tried here")
    folder = Path(tempfile.mkdtemp(prefix="smartoken-nobody-"))
    try:
        place = copy(folder / "smartoken")
        for path in (folder, *folder.rglob("*")):
            os.chown(path, 65534, 65534)
        command = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", system, "dev.py", "run")
        env = {"HOME": str(folder), "PATH": "/usr/bin:/bin", "SMARTOKEN_PORT": "0", "PYENV_ROOT": ""}
        with serving(place, *command, env=env) as served:
            assert '"sandbox/echo"' in printed_curl(place, served.address)
    finally:
        shutil.rmtree(folder)


def test_the_wheel_installs_in_an_empty_environment_and_serves(tmp_path):
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(checkout.ROOT)]
    subprocess.run(build, check=True, capture_output=True, env=clean_environment())
    wheel = next(tmp_path.glob("smartoken-*.whl"))
    empty = tmp_path / "empty"
    empty.mkdir()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(empty / "venv")], check=True)
    python = str(empty / "venv" / "bin" / "python")
    install = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--only-binary", ":all:", str(wheel)]
    subprocess.run(install, check=True, env=clean_environment(), cwd=empty)
    command = str(empty / "venv" / "bin" / "smartoken")
    version = subprocess.run([command, "--version"], check=True, capture_output=True, text=True, cwd=empty)
    assert version.stdout.strip()
    env = {"SMARTOKEN_PORT": "0", "PATH": "/nowhere"}
    with serving(empty, command, "serve", env=env) as served:
        assert '"sandbox/echo"' in printed_curl(empty, served.address)
