"""Rules of shape, each a function from one file to the lines that break it; test_tidy plants a fault for each."""

import ast
import re
from collections.abc import Iterator

from architecture.source import Source

MAX_FILE, MAX_FUNCTION, MAX_PARAMETERS = 500, 70, 6

# A name with one of these words says nothing; the reason of each is in CONTRIBUTING.md.
EMPTY_FIRST = {"get", "handle", "process"}
EMPTY_LAST = {"data", "info", "manager", "utils", "util", "helper", "helpers", "common", "core"}
EMPTY_WHOLE = EMPTY_FIRST | EMPTY_LAST
# Frameworks call these by name, with their own names for what they hand over.
GIVEN_NAMES = {"data_received", "handle_exit", "process_bind_param", "process_result_value"}
GIVEN_WORDS = {("src/smartoken/providers/sse.py", "data")}  # the protocol's own name of the field
GENERATED = "store/migrations/versions/"  # a migration is a list of statements, written once

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(source: Source) -> Iterator[Function]:
    """Every function and method of a file, nested ones too."""
    return (node for node in source.nodes if isinstance(node, Function))


def long_file(source: Source) -> Iterator[str]:
    """A file holds one idea."""
    lines = source.text.count("\n")
    if lines > MAX_FILE:
        yield f"{source.path}: {lines} lines, at most {MAX_FILE}: split it by naming the ideas"


def long_function(source: Source) -> Iterator[str]:
    """A function fits on a screen."""
    if source.within(GENERATED):
        return
    for node in functions(source):
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        if length > MAX_FUNCTION:
            yield f"{source.path}:{node.lineno}: {node.name} has {length} lines, at most {MAX_FUNCTION}"


def many_parameters(source: Source) -> Iterator[str]:
    """Many parameters are a type without a name. A test's are the columns of its table."""
    for node in functions(source):
        if node.name.startswith("test_"):
            continue
        names = [each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        count = len(names) - (names[:1] in (["self"], ["cls"]))
        if count > MAX_PARAMETERS:
            yield f"{source.path}:{node.lineno}: {node.name} takes {count} parameters, at most {MAX_PARAMETERS}"


def import_within(source: Source) -> Iterator[str]:
    """What a file needs stands at its top; an import inside a function hides a cycle."""
    for function in functions(source):
        for node in ast.walk(function):
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield f"{source.path}:{node.lineno}: import inside {function.name}"


def global_statement(source: Source) -> Iterator[str]:
    """Resources are built once in ``app`` and passed."""
    for node in source.nodes:
        if isinstance(node, ast.Global):
            yield f"{source.path}:{node.lineno}: global {', '.join(node.names)}"


def todo_without_issue(source: Source) -> Iterator[str]:
    """A wish without an issue is forgotten."""
    for line, comment in source.comments:
        if re.search(r"\b(TODO|FIXME|XXX|HACK)\b(?! \(#\d+\))", comment):
            yield f"{source.path}:{line}: write `TODO (#12)` with the issue's number, or do it: {comment}"


WAIVER = re.compile(
    r"#\s*(?:ruff:\s*)?(noqa|type:\s*ignore|pragma:\s*no cover|mypy:)"
    r"(?P<codes>(?:\[[^\]]*\]|:[ A-Z0-9,]*[0-9])?)(?P<why>.*)"
)


def waiver_without_reason(source: Source) -> Iterator[str]:
    """Every exception to a rule names the rule and says why, on its own line."""
    for line, comment in source.comments:
        waiver = WAIVER.search(comment)
        if waiver is None:
            continue
        if not waiver["codes"] and waiver[1] in ("noqa", "type: ignore"):
            yield f"{source.path}:{line}: name the rule that is waived: {comment}"
        elif not re.search(r"\w", waiver["why"]):
            yield f"{source.path}:{line}: say why the rule is waived: {comment}"


def banner(source: Source) -> Iterator[str]:
    """A file that needs section banners is two files."""
    for line, comment in source.comments:
        if re.match(r"#\s*[-=#*~]{3,}", comment) and not source.within(GENERATED):
            yield f"{source.path}:{line}: section banner: {comment}"


def words(name: str) -> list[str]:
    """``UsageManager`` and ``usage_manager`` are the same words."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_").split("_")


def empty_name(source: Source) -> Iterator[str]:
    """A name says what a thing is or does."""
    stem = source.module.rpartition(".")[2]
    if stem in EMPTY_WHOLE:
        yield f"{source.path}: a file named {stem} says nothing"
    given = {id(arg) for node in functions(source) if node.name in GIVEN_NAMES for arg in node.args.args}
    for node in source.nodes:
        if id(node) in given:
            continue
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                parts = words(name)
                if name not in GIVEN_NAMES and (parts[0] in EMPTY_FIRST or parts[-1] in EMPTY_LAST):
                    yield f"{source.path}:{node.lineno}: {name} says nothing: name what it returns or changes"
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()) if name in EMPTY_WHOLE:
                if (source.path, name) in GIVEN_WORDS:
                    continue
                yield f"{source.path}:{node.lineno}: {name} says nothing: name what it holds"


def test_without_sentence(source: Source) -> Iterator[str]:
    """A test's name says what is true of the product."""
    for node in functions(source):
        if node.name.startswith("test_") and len(words(node.name)) < 4:
            yield f"{source.path}:{node.lineno}: {node.name} is no sentence, e.g. test_expired_grants_are_not_spent"


def _of_ours(source: Source) -> set[str]:
    """Names in a file that stand for modules, classes or functions of the product."""
    names = set()
    for node in source.nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "smartoken":
            names.update(each.asname or each.name for each in node.names)
        elif isinstance(node, ast.Import):
            names.update((each.asname or each.name).split(".")[0] for each in node.names if "smartoken" in each.name)
    return names


def patched(source: Source) -> Iterator[str]:
    """Fakes are passed in; what is patched is not what runs."""
    ours = _of_ours(source)
    for node in source.nodes:
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="monkeypatch"), attr=act)) if act in (
                "setattr",
                "delattr",
                "setitem",
                "delitem",
            ):
                yield f"{source.path}:{node.lineno}: monkeypatch.{act}: pass a fake in instead"
            case ast.ImportFrom(module="unittest.mock") | ast.ImportFrom(module="mock") | ast.arg(arg="mocker"):
                yield f"{source.path}:{node.lineno}: no mocks: pass a fake in instead"
            case ast.Assign(targets=[ast.Attribute(value=ast.Name(id=name), attr=attr)]) if name in ours:
                yield f"{source.path}:{node.lineno}: {name}.{attr} is patched: pass a fake in instead"


SHAPE_RULES = (
    long_file,
    long_function,
    many_parameters,
    import_within,
    global_statement,
    todo_without_issue,
    waiver_without_reason,
    banner,
)
PRODUCT_RULES = (empty_name,)
TEST_RULES = (test_without_sentence, patched)
