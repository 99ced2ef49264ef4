"""The table of start cases that need no installation: what a newcomer meets, and what is said then."""

import ast
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from start import checkout
from start.checkout import copy, dev, install_as_it_is, printed_curl, serving

# Alone on this machine: no configuration of pip, and an index at a port that nobody holds.
NO_REGISTRY = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "", "PIP_FIND_LINKS": "", "PIP_RETRIES": "0"}


@pytest.fixture
def fresh(tmp_path):
    """A checkout as it is after unpacking."""
    return copy(tmp_path / "smartoken")


@pytest.fixture
def installed(fresh):
    """A checkout whose packages are installed."""
    install_as_it_is(fresh)
    return fresh


def test_the_starter_is_written_for_python_as_old_as_3_8():
    text = (checkout.ROOT / "dev.py").read_text(encoding="utf-8")
    assert ast.parse(text, feature_version=(3, 8))


def test_a_second_start_installs_nothing_and_answers(installed, record_property):
    env = {"SMARTOKEN_PORT": "0"}
    with serving(installed, env=env):
        pass  # the first start makes the database
    times = []
    for _ in range(3):
        with serving(installed, env=env) as served:
            times.append(served.after_s)
            assert "install" not in served.text
            assert '"sandbox/echo"' in printed_curl(installed, served.address)
    # A figure for the report, not a bound: how long it takes is up to what else the machine does.
    record_property("second_start_s", min(times))


def test_nothing_but_python_is_needed_on_the_path(installed, tmp_path):
    env = {"PATH": checkout.bare_path(tmp_path), "SMARTOKEN_PORT": "0"}
    with serving(installed, env=env) as served:
        assert served.answer("/healthz") == 200


def test_an_interrupt_ends_the_server_with_exit_code_0(installed):
    with serving(installed, env={"SMARTOKEN_PORT": "0"}) as served:
        served.process.send_signal(signal.SIGINT)
        assert served.process.wait(35) == 0


def test_a_taken_default_port_gives_way_to_the_next_free_one(installed):
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for _ in range(150):
            try:
                holder.bind(("127.0.0.1", 8000))
                holder.listen()
                break
            except (
                OSError
            ):  # a test beside this one may have it for a moment; whoever keeps it is the case to be tested
                time.sleep(0.2)
        with serving(installed) as served:
            assert served.address != "http://127.0.0.1:8000"
            assert served.answer("/healthz") == 200


def test_a_taken_port_that_was_asked_for_ends_with_2_naming_the_holder(installed):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        said = dev(installed, "run", env={"SMARTOKEN_PORT": str(port)})
    assert said.code == 2
    assert str(port) in said.text
    if sys.platform == "linux":
        assert f"process {os.getpid()}" in said.text


def test_a_data_dir_that_is_served_already_prints_its_address_and_ends_with_0(installed):
    env = {"SMARTOKEN_PORT": "0"}
    with serving(installed, env=env) as served:
        said = dev(installed, "run", env=env)
        assert said.code == 0
        assert served.address in said.text


def test_a_read_only_folder_is_named(fresh):
    fresh.chmod(0o555)
    try:
        said = dev(fresh, "run", before=checkout.without_write_right())
    finally:
        fresh.chmod(0o755)
    assert said.code == 2
    assert f"cannot write in {fresh}" in said.text
    assert "Traceback" not in said.text


def test_a_missing_registry_is_told_with_proxy_and_certificates(fresh):
    index = f"http://127.0.0.1:{checkout.free_port()}/simple"
    said = dev(fresh, "run", env={**NO_REGISTRY, "PIP_INDEX_URL": index})
    assert said.code == 3
    assert "HTTPS_PROXY=" in said.text
    assert "PIP_CERT=" in said.text
    assert "python3 dev.py run" in said.text
    assert "Traceback" not in said.text
    assert not (fresh / ".venv" / "smartoken-stamp.json").exists()


def test_a_missing_python_is_told_with_the_ways_to_get_one(fresh):
    said = dev(fresh, "run", env={"SMARTOKEN_PYTHON": "/nowhere/python3.13"})
    assert said.code == 2
    assert "needs Python 3.11" in said.text
    assert "pyenv install" in said.text


def chosen(place, env) -> str:
    """The interpreter that dev.py chooses."""
    script = "import dev; print(dev.choose_python('run'))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=place,
        env=checkout.clean_environment(env),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_a_shim_that_fails_is_passed_over(fresh, tmp_path):
    shims = ("python3.14", "python3.13", "python3.12")
    path = checkout.bare_path(tmp_path, *((name, "#!/bin/sh\nexit 127\n") for name in shims if name != running()))
    assert chosen(fresh, {"PATH": path}).endswith(running())


def running() -> str:
    """The name of this Python."""
    return f"python{sys.version_info[0]}.{sys.version_info[1]}"


def without(place, *modules: str) -> str:
    """A folder for PYTHONPATH in which these modules cannot be imported."""
    for name in modules:
        (place / f"{name}.py").write_text(f"raise ImportError('no {name} here')\n")
    return str(place)


def pip_found(place, env) -> str:
    """The command with which dev.py would install into a new environment, or what it says when there is none."""
    script = "import dev; dev.make_venv('run')\ntry: print(dev.installer())\nexcept dev.Stop as stop: print(stop)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=place,
        env=checkout.clean_environment(env),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_without_ensurepip_another_pip_installs_into_the_environment(fresh, tmp_path):
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    path = checkout.bare_path(tmp_path)
    found = pip_found(fresh, {"PYTHONPATH": without(hidden, "ensurepip"), "PATH": path})
    assert "'--python'" in found
    assert not list((fresh / ".venv").rglob("pip"))


def test_without_any_pip_the_fix_is_named(fresh, tmp_path):
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    path = checkout.bare_path(tmp_path)
    found = pip_found(fresh, {"PYTHONPATH": without(hidden, "ensurepip", "pip"), "PATH": path})
    assert "No pip was found" in found
    assert "python3-pip" in found


def test_an_environment_whose_python_is_gone_is_made_anew(installed):
    python = installed / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3")
    index = f"http://127.0.0.1:{checkout.free_port()}/simple"
    said = dev(installed, "run", env={**NO_REGISTRY, "PIP_INDEX_URL": index})
    assert "does not run any more" in said.text
    assert said.code == 3


@pytest.mark.parametrize("target", ["--help", "nonsense"])
def test_every_target_is_listed_when_one_asks_or_mistypes(target):
    said = dev(checkout.ROOT, target)
    for name in ("run", "test", "check", "acceptance", "bench", "test-real", "test-full", "docs", "lock", "fmt"):
        assert name in said.text
