"""npm `@auth/core` (ISC): providers are functions, so Node calls them and says what they return."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from safeconduct.catalog_build.claims import CODE, Claim, claims, identity, words

PACKAGE = "@auth/core"
OUR_ID = "our-client-id"  # as the script gives it
SCRIPT = Path(__file__).with_name("authjs.mjs")


def extract(folder: Path) -> Iterator[Claim]:
    done = subprocess.run(  # noqa: S603 -- our own script over a package whose hash was checked
        ["node", str(SCRIPT), str(folder / "providers")],  # noqa: S607 -- Node as installed
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    for found in json.loads(done.stdout):
        yield from claims(PACKAGE, found["id"], dict(_stated(found)))


def _stated(found: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    authorize, token = _address(found.get("authorization")), _address(found.get("token"))
    if authorize is None or token is None:
        return
    url, parameters = authorize
    scope = parameters.pop("scope", "")
    yield "name", found.get("name")
    yield f"{CODE}.authorize_url", url
    yield f"{CODE}.token_url", token[0]
    yield f"{CODE}.token_parameters", token[1]
    yield f"{CODE}.authorize_parameters", parameters
    if scope and "," not in scope:
        yield f"{CODE}.scopes", words(scope)
    if "pkce" in (found.get("checks") or ()):
        yield f"{CODE}.pkce", "S256"
    yield f"{CODE}.token_auth", (found.get("client") or {}).get("token_endpoint_auth_method")
    userinfo = _address(found.get("userinfo"))
    if userinfo and not userinfo[1] and found.get("account_id"):
        yield from identity(userinfo[0], [found["account_id"]]).items()


def _address(value: Any) -> tuple[str, dict[str, str]] | None:
    """An address without its query, and its query; the fixed parameters beside it included."""
    given = value if isinstance(value, dict) else {"url": value}
    url = given.get("url")
    if not isinstance(url, str) or not url.startswith("https://") or "undefined" in url:
        return None
    parts = urlsplit(url)
    # What names the app or its choice of flow is ours to say.
    stated = {
        name: text
        for name, text in (given.get("params") or {}).items()
        if text and text != OUR_ID and name != "response_type"
    }
    query = {**dict(parse_qsl(parts.query)), **{name: str(text) for name, text in stated.items()}}
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")), query
