"""PyPI `social-auth-core` (BSD-3-Clause): one backend class for each provider."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from safeconduct.catalog_build.claims import CODE, SIGNED, Claim, claims, identity, words
from safeconduct.catalog_build.syntax import Class, bases, classes, constants, method

PACKAGE = "social-auth-core"


def extract(folder: Path) -> Iterator[Claim]:
    for file in sorted((folder / "social_core" / "backends").glob("*.py")):
        known = classes(file.read_text())
        for cls in known.values():
            stated = constants(cls, known)
            if _is_code_flow(stated):
                yield from claims(PACKAGE, stated["name"], _facts(cls, stated))
            elif _is_signed(stated):
                yield from claims(PACKAGE, stated["name"], _signed(stated))


def _is_code_flow(stated: dict[str, Any]) -> bool:
    urls = ("AUTHORIZATION_URL", "ACCESS_TOKEN_URL")
    if "REQUEST_TOKEN_URL" in stated:  # OAuth 1
        return False
    return bool(stated.get("name")) and all(_is_url(stated.get(name)) for name in urls)


def _is_signed(stated: dict[str, Any]) -> bool:
    urls = ("REQUEST_TOKEN_URL", "AUTHORIZATION_URL", "ACCESS_TOKEN_URL")
    return bool(stated.get("name")) and all(_is_url(stated.get(name)) for name in urls)


def _signed(stated: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": stated.get("title"),
        f"{SIGNED}.request_url": stated["REQUEST_TOKEN_URL"],
        f"{SIGNED}.authorize_url": stated["AUTHORIZATION_URL"],
        f"{SIGNED}.token_url": stated["ACCESS_TOKEN_URL"],
    }


def _is_url(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("https://") and "{" not in value


def _facts(cls: Class, stated: dict[str, Any]) -> dict[str, Any]:
    pkce = "BaseOAuth2PKCE" in bases(cls) and stated.get("DEFAULT_USE_PKCE", False)
    scopes = stated.get("DEFAULT_SCOPE")
    refresh = stated.get("REFRESH_TOKEN_URL")
    revoke = stated.get("REVOKE_TOKEN_URL")
    url, key = _user_data(cls), stated.get("ID_KEY")
    return {
        "name": stated.get("title"),
        f"{CODE}.authorize_url": stated["AUTHORIZATION_URL"],
        f"{CODE}.token_url": stated["ACCESS_TOKEN_URL"],
        f"{CODE}.scope_separator": stated.get("SCOPE_SEPARATOR"),
        f"{CODE}.scopes": words(*scopes) if isinstance(scopes, list | tuple) else None,
        f"{CODE}.pkce": "S256" if pkce else None,
        f"{CODE}.refresh.url": refresh if _is_url(refresh) else None,
        f"{CODE}.revocation.url": revoke if _is_url(revoke) else None,
        **identity(url, [f"/{key}"] if isinstance(key, str) and key.isidentifier() else None),
    }


def _user_data(cls: Class) -> str | None:
    """The one address that `user_data` reads, with the token in a header."""
    function = method(cls, "user_data")
    if function is None:
        return None
    calls = [
        node
        for node in ast.walk(function)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "get_json"
    ]
    match calls:
        case [ast.Call(args=[ast.Constant(value=str(url)), *_], keywords=keywords)]:
            by_header = any(keyword.arg == "headers" for keyword in keywords)
            by_query = any(keyword.arg == "params" for keyword in keywords)
            return url if by_header and not by_query else None
    return None
