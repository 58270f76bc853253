"""Clients that nobody here wrote, with keys of their own, told nothing but the issuer."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import ECKey
from tests.certificates import issue
from tests.flows.conftest import Live, served
from tests.flows.test_authlib import discovered
from tests.flows.test_openid_client import JS, REDIRECT, said

from safeconduct.adapters.certificates import X509Certificates
from safeconduct.adapters.store import SqliteStore
from safeconduct.app import Switches

KEY = ECKey.generate_key("P-256", {"kid": "k1", "alg": "ES256", "use": "sig"})
SECURE = REDIRECT.replace("http:", "https:")
AUTHORITY = issue("CN=Bank CA", authority=True)
SERVER = issue("CN=127.0.0.1", usage=None)
APP = issue("CN=app,O=Bank", AUTHORITY)
JWKS = {"keys": [KEY.as_dict(private=False)]}


async def walk(
    live: Live, way: str, client_id: str, folder: Path, redirect_uri: str = REDIRECT
) -> dict[str, Any]:
    """What openid-client got, with a person who consents in the middle."""
    node = await asyncio.create_subprocess_exec(
        "node",
        str(JS / "bound.mjs"),
        way,
        live.issuer,
        client_id,
        redirect_uri,
        str(folder),
        cwd=JS,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    landed = await live.consent((await said(node))["url"])
    assert node.stdin is not None
    node.stdin.write(landed.encode() + b"\n")
    await node.stdin.drain()
    got = await said(node)
    await node.communicate()
    assert node.returncode == 0
    return got


@pytest.mark.rfc("7523#2.2")
@pytest.mark.rfc("9449#5")
@pytest.mark.rfc("9126#2")
@pytest.mark.parametrize("nonces", [False, True])
async def test_openid_client_with_a_signed_assertion_and_dpop(
    sqlite_store: SqliteStore, tmp_path: Path, nonces: bool
) -> None:
    (tmp_path / "private.json").write_text(json.dumps(KEY.as_dict(private=True)))
    async with served(sqlite_store, Switches(dpop_nonce=nonces)) as live:
        made = await live.client(
            REDIRECT,
            token_endpoint_auth_method="private_key_jwt",
            jwks=JWKS,
            dpop_bound_access_tokens=True,
        )
        got = await walk(live, "dpop", made.client.id, tmp_path)
    assert got == {
        "email": "ann@example.org",
        "token_type": "dpop",
        "rotated": True,
        "cnf": ["jkt"],
        "stolen": 401,
    }


@pytest.mark.rfc("8705#2.1")
@pytest.mark.rfc("8705#3")
@pytest.mark.rfc("FAPI2-SP#5.3.2")
async def test_openid_client_with_a_certificate_by_the_rules_of_fapi(
    sqlite_store: SqliteStore, tmp_path: Path
) -> None:
    chain, key = SERVER.save(tmp_path, "server")
    APP.save(tmp_path, "client")
    by = {"tls_cert": chain, "tls_key": key, "ask_certificates": True}
    certificates = X509Certificates([AUTHORITY.certificate])
    async with served(
        sqlite_store, Switches(client_certificates="tls"), certificates, **by
    ) as live:
        made = await live.client(
            SECURE,
            token_endpoint_auth_method="tls_client_auth",
            tls_client_auth_subject_dn="CN=app,O=Bank",
            security_profile="fapi2",
        )
        got = await walk(live, "mtls", made.client.id, tmp_path, SECURE)
    assert got == {
        "email": "ann@example.org",
        "token_type": "bearer",
        "rotated": False,
        "cnf": ["x5t#S256"],
        "stolen": 401,
    }


@pytest.mark.rfc("7523#2.2")
async def test_authlib_with_a_signed_assertion(one: Live) -> None:
    """It names the token endpoint as audience unless told otherwise: a switch for such clients."""
    metadata = await discovered(one)
    for audience, given in (("issuer", one.issuer), ("endpoint", None)):
        made = await one.client(
            REDIRECT,
            grant_types=["client_credentials"],
            redirect_uris=[],
            response_types=[],
            scope="users:read",
            token_endpoint_auth_method="private_key_jwt",
            jwks=JWKS,
            assertion_audience=audience,
        )
        async with AsyncOAuth2Client(
            made.client.id, KEY, token_endpoint_auth_method="private_key_jwt"
        ) as client:
            client.register_client_auth_method(PrivateKeyJWT(given, alg="ES256"))
            token = await client.fetch_token(
                metadata["token_endpoint"], grant_type="client_credentials"
            )
            assert token["token_type"] == "Bearer"
