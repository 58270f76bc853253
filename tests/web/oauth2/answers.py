"""How answers of the back channel are judged."""

import warnings
from typing import Any

from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import KeySet
from tests.back import Back, Reply


def refused(reply: Reply, error: str, status: int = 400) -> str:
    """`J(status, error)`: the standard error, never stored, and nothing of a token in it."""
    assert (reply.status, reply.json["error"]) == (status, error), reply.body
    assert reply.header("content-type") == "application/json"
    assert reply.header("cache-control") == "no-store"
    assert not reply.json.keys() & {"access_token", "refresh_token", "id_token"}
    assert reply.json["error_description"]
    if status == 401:
        assert reply.header("www-authenticate")
    return str(reply.json["error_id"])


async def verified(back: Back, token: str, algorithm: str = "ES256") -> dict[str, Any]:
    """The claims of a JWT as any relying party reads them: JWKS and a library."""
    keys = KeySet.import_key_set((await back.send("GET", "/oauth2/jwks")).json)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)  # the name EdDSA (RFC 9864)
        return dict(jwt.decode(token, keys, algorithms=[algorithm]).claims)
