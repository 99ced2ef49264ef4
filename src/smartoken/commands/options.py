"""Commands with many options: a table of them instead of a long list of parameters."""

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

import typer

F = TypeVar("F", bound=Callable[..., None])


def option(kind: Any, words: str, *names: str, default: Any = None) -> inspect.Parameter:
    """Return one option as a parameter; its name is set by ``with_options``."""
    annotation = Annotated[kind, typer.Option(*names, help=words, show_default=default is not None)]
    return inspect.Parameter("unnamed", inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def with_options(options: Mapping[str, inspect.Parameter]) -> Callable[[F], F]:
    """Give a function with ``**options`` these options; it receives each by its name."""

    def wrap(function: F) -> F:
        signature = inspect.signature(function)
        own = [each for each in signature.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
        added = [each.replace(name=name) for name, each in options.items()]
        hints = {each.name: each.annotation for each in (*own, *added)}
        function.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined] # read by inspect
        function.__annotations__ = {**hints, "return": None}
        return function

    return wrap
