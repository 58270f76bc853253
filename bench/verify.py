"""A sample of the tokens that were handed out is checked for what they claim to be."""

from http.client import HTTPConnection
from json import loads
from typing import Any
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.jwk import KeySet

from bench.load import Failed
from bench.sources import Target


class Signatures:
    """Verifies ES256 `at+jwt` tokens against the published keys, with a library of others."""

    def __init__(self, target: Target, issuer: str) -> None:
        self._issuer, self._client_id = issuer, target.client_id
        self._keys = KeySet.import_key_set(get(target, "/oauth2/jwks"))
        self._claims = jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": issuer},
            client_id={"essential": True, "value": target.client_id},
            exp={"essential": True},
        )

    def __call__(self, tokens: list[str]) -> None:
        if len(set(tokens)) != len(tokens):
            raise Failed("an access token was given out twice")
        for token in tokens:
            found = jwt.decode(token, self._keys, algorithms=["ES256"])
            if found.header["typ"] != "at+jwt":
                raise Failed(f"a token of type {found.header['typ']}")
            self._claims.validate(found.claims)


def verify_with_peer(target: Target, tokens: list[str]) -> None:
    """Opaque tokens can only be asked about."""
    for token in tokens[:20]:
        answer = post(target, target.introspection_path, token=token)
        if answer.get("active") is not True:
            raise Failed(f"a token is not active: {answer}")


def get(target: Target, path: str) -> Any:
    connection = HTTPConnection(target.host, target.port, timeout=5)
    try:
        connection.request("GET", path)
        return loads(connection.getresponse().read())
    finally:
        connection.close()


def post(target: Target, path: str, **form: str) -> dict[str, Any]:
    connection = HTTPConnection(target.host, target.port, timeout=5)
    try:
        head = target.post(path, **form).split(b"\r\n\r\n", 1)[0].decode().split("\r\n")[1:]
        headers = dict(line.split(": ", 1) for line in head)
        headers.pop("content-length")
        connection.request("POST", path, urlencode(form), headers)
        found: dict[str, Any] = loads(connection.getresponse().read())
        return found
    finally:
        connection.close()
