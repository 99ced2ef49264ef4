"""The checkout as these tests see it: Python files parsed once, and every file that belongs to the project."""

import ast
import io
import subprocess
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "smartoken"
SKIPPED = {".git", ".venv", "__pycache__", "build", "dist", "node_modules", ".cache"}


@dataclass(frozen=True)
class Source:
    """One Python file; ``path`` is relative to the checkout, with slashes."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text, self.path)

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node, parents before children."""
        return tuple(ast.walk(self.tree))

    @cached_property
    def comments(self) -> tuple[tuple[int, str], ...]:
        """Line number and text of every comment."""
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        return tuple((token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT)

    @property
    def module(self) -> str:
        """The dotted name of a file of the package: ``smartoken.gateway.plan``."""
        return self.path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def within(self, *places: str) -> bool:
        """Whether the file lies in one of these folders or is one of these files, relative to the package."""
        inside = self.path.removeprefix("src/smartoken/")
        return any(inside == place or (place.endswith("/") and inside.startswith(place)) for place in places)


@lru_cache
def sources(folder: str) -> tuple[Source, ...]:
    """Every Python file below a folder of the checkout."""
    found = sorted(path for path in (ROOT / folder).rglob("*.py") if not SKIPPED.intersection(path.parts))
    return tuple(Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in found)


def product() -> tuple[Source, ...]:
    """The package's own files."""
    return sources("src")


def everything() -> tuple[Source, ...]:
    """The package, the tests, the benches and dev.py."""
    dev = Source("dev.py", (ROOT / "dev.py").read_text(encoding="utf-8"))
    return (*product(), *sources("tests"), *sources("bench"), dev)


def project_files() -> Iterator[Path]:
    """Every file that belongs to the project: what git tracks or would, or without git all that no tool made."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0 and listed.stdout:
        yield from (ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file())
        return
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        made = SKIPPED.intersection(parts) or (parts[0].startswith(".") and parts[0] not in {".ci", ".gitignore"})
        if path.is_file() and not made and parts[0] != "data":
            yield path
