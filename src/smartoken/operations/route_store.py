"""Routes and named routes as the store has them, for the directory."""

from sqlalchemy import Connection

from smartoken.operations import route_queries, route_words
from smartoken.operations.lanes import NamedRoute
from smartoken.routing.routes import Route


def stored_routes(conn: Connection) -> dict[str, Route]:
    """Return the routes that are published, by lower-case model id."""
    newest = {each["model"]: each for each in route_queries.published(conn)}
    return {
        model: route_words.read(model, each["definition"])
        for model, each in newest.items()
        if each["definition"] is not None
    }


def stored_named(conn: Connection) -> dict[tuple[str, str], NamedRoute]:
    """Return the named routes of every account, by (account id, name)."""
    return {
        (each["account_id"], each["name"]): NamedRoute(
            each["name"], each["definition"]["model"], tuple(each["definition"]["fallbacks"])
        )
        for each in route_queries.named(conn)
        if each["definition"] is not None
    }
