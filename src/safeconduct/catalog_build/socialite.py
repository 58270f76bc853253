"""SocialiteProviders/Providers (MIT): one PHP class for each provider, read as text.

Only methods that return one literal are understood; what is put together from parts is left out.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from safeconduct.catalog_build.claims import CODE, Claim, claims, identity, words

PACKAGE = "SocialiteProviders"
_URL = r"'(https://[A-Za-z0-9._~:/@%+-]+)'"
_AUTHORIZE = re.compile(
    r"function getAuthUrl\(\$state\)[^{]*\{\s*return \$this->buildAuthUrlFromBase\(\s*"
    r"((?:[^,()]|\(\))+),\s*\$state\);\s*\}"
)
_TOKEN = re.compile(r"function getTokenUrl\(\)[^{]*\{\s*return ((?:[^;()]|\(\))+);\s*\}")
_PART = re.compile(r"'[^']*'|[^\s.']+")
_CONSTANT = re.compile(r"const(?: string)? (\w+) = '([^']*)';")
_CONFIGURED = re.compile(
    r"function (get\w+)\(\)[^{]*\{\s*return (?:rtrim\()?\$this->getConfig\('\w+'(?:, '([^']*)')?\)"
    r"(?:, '/'\))?;\s*\}"
)
_PROPERTY = re.compile(r"(?:protected|private|public)(?: static)?(?: string)? \$(\w+) = '([^']*)';")
_USER = re.compile(
    r"function getUserByToken\(\$token\)[^{]*\{\s*\$response = \$this->getHttpClient\(\)->get\(\s*"
    + _URL
    + r",\s*\[\s*RequestOptions::HEADERS\s*=>\s*\[([^\]]*)\],?\s*\]\);\s*"
    r"return json_decode\(\(string\) \$response->getBody\(\), true\);\s*\}"
)
_ID = re.compile(r"'id'\s*=>\s*(?:\(string\)\s*)?\$user((?:\['[a-zA-Z0-9_]+'\])+)\s*,")
_SEPARATOR = re.compile(r"\$scopeSeparator = '([^']+)';")
_SCOPES = re.compile(r"protected \$scopes = \[([^\]]*)\];")
_PKCE = re.compile(r"\$usesPKCE = true;")
_BASIC = re.compile(
    r"'Authorization'\s*=>\s*'Basic '\s*\.\s*base64_encode\(\s*"
    r"\$this->clientId\s*\.\s*':'\s*\.\s*\$this->clientSecret"
)


def extract(folder: Path) -> Iterator[Claim]:
    for file in sorted((folder / "src").glob("*/Provider.php")):
        text = file.read_text()
        authorize, token = _address(_AUTHORIZE, text), _address(_TOKEN, text)
        if "OAuth1" not in text and authorize and token:
            yield from claims(PACKAGE, file.parent.name, _facts(text, authorize, token))


def _address(form: re.Pattern[str], text: str) -> str | None:
    """An address that is a literal, or put together from literals of the same class."""
    found = form.search(text)
    if found is None:
        return None
    named = {
        **{
            f"{scope}::{name}": value
            for name, value in _CONSTANT.findall(text)
            for scope in ("self", "static")
        },
        **{f"$this->{name}": value for name, value in _PROPERTY.findall(text)},
        **{f"$this->{name}()": _server(value) for name, value in _CONFIGURED.findall(text)},
    }
    parts = [_literal(part, named) for part in _PART.findall(found[1])]
    url = "".join(part for part in parts if part is not None)
    url = url.replace("{host}/", "{host}", 1) if "{host}//" in url else url
    whole = (
        None not in parts
        and url.count("://") == 1
        and re.fullmatch(r"https://[A-Za-z0-9._~:/@%+{}-]+", url)
    )
    return url if whole else None


def _server(default: str) -> str:
    """Where a provider runs on many servers: its own, or the one that is named by who uses it."""
    return default if default.startswith("https://") else "https://{host}/"


def _literal(part: str, named: dict[str, str]) -> str | None:
    if part.startswith("'") and part.endswith("'") and part.count("'") == 2:
        return part[1:-1]
    return named.get(part)


def _facts(text: str, authorize: str, token: str) -> dict[str, Any]:
    separator, scopes = _SEPARATOR.search(text), _SCOPES.search(text)
    return {
        f"{CODE}.authorize_url": authorize,
        f"{CODE}.token_url": token,
        f"{CODE}.scope_separator": separator and separator[1],
        f"{CODE}.scopes": scopes and words(*re.findall(r"'([^']+)'", scopes[1])),
        f"{CODE}.pkce": "S256" if _PKCE.search(text) else None,
        f"{CODE}.token_auth": "client_secret_basic" if _BASIC.search(text) else None,
        **_identity(text),
    }


def _identity(text: str) -> dict[str, Any]:
    """A GET with nothing but the usual header, and one place where its id lies."""
    user, places = _USER.search(text), _ID.findall(text)
    if not user or "Bearer '" not in user[2] or len(places) != 1 or user[2].count("=>") > 2:
        return {}
    keys = re.findall(r"\['([a-zA-Z0-9_]+)'\]", places[0])
    return identity(user[1], ["/" + "/".join(keys)])
