"""The docs name every setting, command, metric and error code, and what they name exists."""

import ast
import re
from collections import defaultdict
from urllib.parse import unquote

import pytest
import typer

import smartoken.__main__ as command_line
from architecture.source import ROOT, product, project_files
from smartoken.catalog.files import load_catalog
from smartoken.errors import SmartokenError, all_errors
from smartoken.gateway import metrics

DOCS = ROOT / "docs"
CODES: dict[str, list[type[SmartokenError]]] = defaultdict(list)
for each in all_errors():
    CODES[each.code].append(each)


def text_of(name: str) -> str:
    """The text of a page below docs/."""
    return (DOCS / name).read_text(encoding="utf-8")


def first_cells(page: str) -> set[str]:
    """What stands in backticks at the head of a table's rows."""
    return set(re.findall(r"^\| `([^`]+)`", page, re.MULTILINE))


def test_every_setting_is_documented_and_every_documented_setting_is_read():
    read = {
        node.value
        for source in product()
        if source.within("settings.py")
        for node in source.nodes
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"SMARTOKEN_[A-Z_]+", node.value)
    }
    documented = {name for name in first_cells(text_of("configuration.md")) if name.startswith("SMARTOKEN_")}
    assert read
    assert documented == read


def test_settings_are_read_in_one_file():
    elsewhere = [
        f"{source.path}:{node.lineno}"
        for source in product()
        if not source.within("settings.py", "__main__.py", "serving.py")
        for node in source.nodes
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    ]
    assert elsewhere == []


@pytest.mark.parametrize("provider", load_catalog().providers.values(), ids=lambda provider: provider.id)
def test_a_providers_key_and_regions_are_documented(provider):
    rows = {}
    for row in text_of("configuration.md").splitlines():
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        if len(cells) == 4:
            rows[cells[1].strip("`")] = cells
    for variable in provider.env:
        assert variable in rows
        regions = re.findall(r"`([^`]+)`", rows[variable][3])
        assert rows[variable][2].strip("`") == variable.removesuffix("_API_KEY") + "_REGION"
        assert regions[0] == provider.default_region
        assert set(regions) == {region.id for region in provider.regions}


def test_every_metric_is_documented_with_its_labels():
    told = {}
    for name, kind, labels in re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*)\|", text_of("metrics.md"), re.MULTILINE):
        told[name] = (kind, tuple(re.findall(r"`(\w+)`", labels)))
    real = {name: ("counter", labels) for name, (_, labels) in metrics.COUNTERS.items()}
    real |= dict.fromkeys(metrics.HISTOGRAMS, ("histogram", ()))
    real |= dict.fromkeys(metrics.GAUGES, ("gauge", ()))
    assert told == real


COMMON_OPTIONS = {"--json", "--help"}  # explained once, at the head of the page


def commands(command, path: str) -> dict[str, set[str]]:
    """Every command below one, with the options that are its own."""
    below = getattr(command, "commands", None)
    if below is None:
        return {path: {name for each in command.params for name in each.opts if name[:2] == "--"} - COMMON_OPTIONS}
    return {key: found for name, each in below.items() for key, found in commands(each, f"{path} {name}").items()}


def test_every_command_and_option_is_documented_and_nothing_else_is():
    apps = [each for each in vars(command_line).values() if isinstance(each, typer.Typer)]
    assert apps, "smartoken.__main__ holds no typer application"
    sections = re.split(r"^## ", text_of("commands.md"), flags=re.MULTILINE)[1:]
    told = {}
    for section in sections:
        head, _, body = section.partition("\n")
        told[" ".join(word for word in head.strip("`").split() if not word.isupper())] = first_cells(body)
    assert told == commands(typer.main.get_command(apps[0]), "smartoken")


def test_every_error_code_has_a_page_and_every_page_a_code():
    pages = {path.stem for path in (DOCS / "errors").glob("*.md")} - {"README"}
    assert pages == set(CODES)


@pytest.mark.parametrize("code", sorted(CODES))
def test_an_errors_page_states_what_the_class_says(code):
    page = text_of(f"errors/{code}.md")
    kinds = CODES[code]
    status = " or ".join(str(each.status) for each in kinds)
    retry = " / ".join("yes" if each.retryable else "no" for each in kinds)
    billed = "yes" if kinds[0].billed else "no"
    assert page.startswith(f"# `{code}`\n")
    assert f"| {status} | `{kinds[0].type}` | {billed} | {retry} |" in page
    heads = re.findall(r"^## (.+)$", page, re.MULTILINE)
    assert heads == ["Causes, the likeliest first", "What to do", "When it comes", "In Python"]
    assert re.search(r"^1\. \S", page, re.MULTILINE)


def test_the_list_of_errors_agrees_with_the_classes():
    page = text_of("errors/README.md")
    for code, kinds in CODES.items():
        status = " or ".join(str(each.status) for each in kinds)
        assert re.search(rf"^\| {status} \| \[`{code}`\]\({code}\.md\) \|", page, re.MULTILINE), code


def markdown() -> list:
    """Every page of the project."""
    return [path for path in project_files() if path.suffix == ".md"]


def test_every_python_sample_is_valid_python():
    broken = []
    for path in markdown():
        for sample in re.findall(r"^```python\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
            try:
                ast.parse(sample)
            except SyntaxError as fault:
                broken.append(f"{path.relative_to(ROOT)}: {fault}")
    assert broken == []


def test_every_link_within_the_project_leads_somewhere():
    dead = []
    for path in markdown():
        for target in re.findall(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
            place = unquote(target.partition("#")[0])
            if place and not re.match(r"[a-z]+:|/", place) and not (path.parent / place).exists():
                dead.append(f"{path.relative_to(ROOT)}: {target}")
    assert dead == []


def test_every_entry_of_the_glossary_is_in_order():
    terms = re.findall(r"^\*\*([^*]+)\*\*", text_of("glossary.md"), re.MULTILINE)
    assert len(terms) > 20
    assert terms == sorted(terms, key=str.lower)
