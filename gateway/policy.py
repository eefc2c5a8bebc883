"""Who may use a route: plain matching of identities."""

from gateway.routes import Route


def may_use(identity: str, route: Route) -> bool:
    """Whether a verified peer called *identity* is one of those whom *route* allows."""
    return route.allow is None or any(matches(identity, pattern) for pattern in route.allow)


def matches(identity: str, pattern: str) -> bool:
    """
    Whether *identity* is what *pattern* says; `*.` stands for exactly one label.

    Both are lower-case DNS names; anything else matches nothing but itself.
    """
    if not pattern.startswith("*."):
        return identity == pattern
    label, dot, rest = identity.partition(".")
    return bool(label and dot) and rest == pattern[2:]
