"""Rules of place: which files may hold SQL, sockets, operating-system calls, provider names, floats."""

import ast
import re
from collections.abc import Iterator

from architecture.source import Source

# What a pure file must not import: its answers depend on its arguments alone.
IMPURE = set(
    "os time random secrets asyncio socket ssl selectors threading subprocess multiprocessing concurrent signal shutil "
    "tempfile sqlite3 sqlalchemy alembic psycopg psycopg_pool fastapi starlette uvicorn uvloop httptools httpx2 typer "
    "prometheus_client jinja2 logging".split()
)
# Files that pure ones may name although they touch the world: only a type is borrowed from each.
LENDERS = {
    "smartoken.clock": "the protocol of a clock; the real one stands beside it",
    "smartoken.operations.directory": "the frozen snapshot; its loader stands beside it",
    "smartoken.store.vault": "the type Secret",
}

SQL_PLACES = ("store/",)
SQL_FILES = ("queries.py", "rollups.py")
SEAM_WORDS = {"Connection", "Engine"}  # a door names the type of what it is handed, no more
SQL_TEXT = re.compile(r"\b(SELECT\b.+\bFROM|INSERT\s+INTO|UPDATE\b.+\bSET|DELETE\s+FROM|CREATE\s+TABLE)\b", re.DOTALL)

NETWORK = {"socket", "ssl", "http.client", "urllib.request", "httptools", "httpx", "httpx2", "aiohttp", "requests"}
NETWORK_CALLS = {"create_connection", "open_connection", "create_datagram_endpoint", "getaddrinfo"}
# Who else talks over a network, and why that is no upstream.
NETWORK_PLACES = {
    "providers/": "client.py and the files it is made of",
    "sandbox/": "it listens: it is the upstream of tests and demos",
    "gateway/server.py": "it listens: one connection of a client",
    "store/": "the database and Valkey",
    "lab/": "a customer: it calls the public interface",
    "serving.py": "it listens, and asks whoever holds the port or the data dir",
    "app.py": "it hands the trust store to the client",
    "__main__.py": "commands ask the running server and look for a free port",
    "commands/": "commands ask the running server and look for a free port",
    "jobs.py": "webhooks and mail",
}

OS_MODULES = {"fcntl", "resource", "pwd", "grp", "termios", "msvcrt", "winreg", "ctypes"}
OS_CALLS = set(
    "fdatasync posix_fallocate posix_fadvise sched_setaffinity fork forkpty setuid setgid setgroups setsid prctl "
    "copy_file_range sendfile splice flock F_FULLFSYNC".split()
)
OS_PLACE = "store/oscalls.py"

PROVIDER_WORDS = re.compile(
    r"deepseek|alibaba|aliyun|dashscope|qwen|moonshot|kimi|zhipu|bigmodel|\bglm\b|volcengine|volces|doubao|byteplus|"
    r"minimax|tencent|hunyuan|baidu|qianfan|ernie|stepfun|siliconflow|xiaomi|longcat|antgroup|baichuan|sensenova",
    re.IGNORECASE,
)
PROVIDER_PLACES = ("providers/", "catalog/", "sandbox/")

EXACT_PLACES = ("billing/", "catalog/", "money.py")
DIVIDING_PLACES = ("billing/", "money.py")  # elsewhere `/` joins paths
INEXACT_PLACES = {
    "billing/journal.py": "seconds between writes; no amount is computed there",
    "catalog/strict.py": "names float in order to refuse it",
}


def imports(source: Source) -> Iterator[tuple[int, str]]:
    """Line and full name of every import: ``from a import b`` counts as ``a`` and as ``a.b``."""
    for node in source.nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, each.name) for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{each.name}") for each in node.names)


def docstrings(source: Source) -> set[int]:
    """The ids of the constant nodes that are docstrings."""
    found = set()
    for node in source.nodes:
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                found.add(id(first.value))
    return found


def says_pure(source: Source) -> bool:
    """Whether the module's docstring promises that the file is pure."""
    return re.search(r"\bPure\b", ast.get_docstring(source.tree) or "") is not None


def sql_elsewhere(source: Source) -> Iterator[str]:
    """SQL lives in ``store`` and in files named for it, so that a query is found where one looks for it."""
    if source.within(*SQL_PLACES) or source.path.endswith(SQL_FILES):
        return
    aliases = set()
    for node in source.nodes:
        if isinstance(node, ast.Import):
            aliases.update(each.asname or each.name for each in node.names if each.name == "sqlalchemy")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "sqlalchemy":
            wrong = [each.name for each in node.names if each.name not in SEAM_WORDS]
            if wrong:
                yield f"{source.path}:{node.lineno}: {', '.join(wrong)} belongs into queries.py"
    quiet = docstrings(source)
    for node in source.nodes:
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if name in aliases and attr not in SEAM_WORDS:
                yield f"{source.path}:{node.lineno}: sqlalchemy.{attr} belongs into queries.py"
            case ast.Attribute(value=ast.Name(id="conn"), attr=attr):
                yield f"{source.path}:{node.lineno}: conn.{attr} belongs into queries.py"
            case ast.Constant(value=str(text)) if id(node) not in quiet and SQL_TEXT.search(text):
                yield f"{source.path}:{node.lineno}: SQL text belongs into queries.py"


def network_elsewhere(source: Source) -> Iterator[str]:
    """Sockets to upstreams are opened in ``providers/client`` and its parts alone: every guard sits there."""
    if source.within(*NETWORK_PLACES):
        return
    for line, name in imports(source):
        if name in NETWORK:
            yield f"{source.path}:{line}: {name}: only providers/client speaks to upstreams"
    for node in source.nodes:
        if isinstance(node, ast.Attribute) and node.attr in NETWORK_CALLS:
            yield f"{source.path}:{node.lineno}: {node.attr}: only providers/client speaks to upstreams"


def os_call_elsewhere(source: Source) -> Iterator[str]:
    """What differs between operating systems lives in one file, with its fallback."""
    if source.within(OS_PLACE):
        return
    for line, name in imports(source):
        if name in OS_MODULES:
            yield f"{source.path}:{line}: {name} belongs into {OS_PLACE}"
    for node in source.nodes:
        if isinstance(node, ast.Attribute) and node.attr in OS_CALLS:
            yield f"{source.path}:{node.lineno}: {node.attr} belongs into {OS_PLACE}"


def provider_elsewhere(source: Source) -> Iterator[str]:
    """What differs between providers is a record in ``providers``; nobody else asks who it is."""
    if source.within(*PROVIDER_PLACES):
        return
    quiet = docstrings(source)
    for node in source.nodes:
        match node:
            case ast.Constant(value=str(text)) if id(node) not in quiet:
                found = PROVIDER_WORDS.search(text)
            case ast.Name(id=name) | ast.arg(arg=name) | ast.Attribute(attr=name):
                found = PROVIDER_WORDS.search(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found = PROVIDER_WORDS.search(name)
            case _:
                continue
        if found:
            yield f"{source.path}:{getattr(node, 'lineno', 0)}: {found[0]} belongs into providers/ or catalog/"


def inexact(source: Source) -> Iterator[str]:
    """Money and prices are integers; a float among them is a wrong cent that nobody finds."""
    if not source.within(*EXACT_PLACES) or source.within(*INEXACT_PLACES):
        return
    divides = source.within(*DIVIDING_PLACES)
    for node in source.nodes:
        match node:
            case ast.Constant(value=float(number)):
                yield f"{source.path}:{node.lineno}: the float {number}"
            case ast.Name(id="float"):
                yield f"{source.path}:{node.lineno}: float"
            case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()) if divides:
                yield f"{source.path}:{node.lineno}: `/` makes a float; use divmod or //"


def impure(source: Source) -> Iterator[str]:
    """A file that says it is pure imports nothing whose answer depends on the moment or the machine."""
    if says_pure(source):
        for line, name in imports(source):
            if name.split(".")[0] in IMPURE or name in ("datetime.datetime.now", "uuid.uuid4"):
                yield f"{source.path}:{line}: {name} in a file that says it is pure"


VOCABULARY = {f"smartoken.{name}" for name in ("errors", "money", "tokens", "ids", "clock", "lab")}


def lab_beyond_the_vocabulary(source: Source) -> Iterator[str]:
    """The evaluation lab is a customer: it knows the HTTP interface, not what is behind it."""
    if source.within("lab/"):
        for line, name in imports(source):
            if name.startswith("smartoken.") and ".".join(name.split(".")[:2]) not in VOCABULARY:
                yield f"{source.path}:{line}: {name}: the lab calls the interface"


PLACE_RULES = (
    sql_elsewhere,
    network_elsewhere,
    os_call_elsewhere,
    provider_elsewhere,
    inexact,
    impure,
    lab_beyond_the_vocabulary,
)
