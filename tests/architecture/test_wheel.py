"""The built wheel carries all that the product needs at run time, and runs without the checkout."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import smartoken
from architecture.source import PACKAGE, ROOT
from start.checkout import clean_environment


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel, built from this checkout by the backend alone: no network, no isolation."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("smartoken-*.whl"))


def test_the_wheel_holds_every_file_of_the_package_and_none_of_the_tests(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    needed = {
        path.relative_to(PACKAGE.parent).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert any(name.startswith("smartoken/catalog/data/") for name in needed)
    assert any(name.startswith("smartoken/store/migrations/versions/") for name in needed)
    assert needed <= names
    assert [name for name in names if not name.startswith(("smartoken/", f"smartoken-{smartoken.__version__}."))] == []


def test_the_wheel_holds_the_docs_and_the_built_assets_of_the_site(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    docs = {f"smartoken/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "docs").rglob("*.md")}
    assert "smartoken/docs/quickstart.md" in docs
    assert docs <= names
    assert "smartoken/examples/support/answer.py" in names
    assets = {"app.css", "app.js", "icon.svg", "inter.woff2", "jetbrains-mono.woff2", "manifest.json"}
    assert {f"smartoken/web/assets/{name}" for name in assets} <= names


def run_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the unpacked wheel first on its path, outside the checkout."""
    env = clean_environment({"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"})
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=60
    )


def test_the_unpacked_wheel_prints_its_version_and_reads_its_catalog(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    version = run_in(tmp_path, "-m", "smartoken", "--version")
    assert version.stdout.strip().endswith(smartoken.__version__), version.stderr
    script = "import smartoken as s, smartoken.catalog.files as f; print(s.__file__, len(f.load_catalog().models))"
    catalog = run_in(tmp_path, "-c", script)
    place, count = catalog.stdout.split()
    assert Path(place).is_relative_to(tmp_path)
    assert int(count) > 100


def test_the_unpacked_wheel_finds_its_pages_its_examples_and_its_built_assets(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    script = """
from smartoken.web.assets import Assets, places
from smartoken.web.library import Library, docs_folder
library, assets = Library(docs_folder()), Assets(places())
print(docs_folder(), len(library.pages), bool(library.example("support/answer.py")), assets.built, assets.stamp)
"""
    folder, pages, example, built, stamp = run_in(tmp_path, "-c", script).stdout.split()
    assert Path(folder).is_relative_to(tmp_path)
    assert int(pages) > 60
    assert (example, built) == ("True", "True")
    assert not stamp.startswith("plain")


def test_importing_the_package_opens_no_socket_and_is_quick(tmp_path):
    script = """
import sys, time
sys.addaudithook(lambda event, _: event.startswith("socket.") and sys.exit(f"{event} at import"))
began = time.perf_counter()
import smartoken
print(time.perf_counter() - began)
"""
    done = run_in(tmp_path, "-c", f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r})\n{script}")
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 0.3
