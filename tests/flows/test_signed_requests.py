"""npm `openid-client` and Authlib, pushing and signing their requests and taking signed answers."""

import asyncio
import json
import time
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest
from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc.jwk import ECKey
from tests.flows.conftest import Live
from tests.flows.test_authlib import discovered
from tests.flows.test_openid_client import JS, REDIRECT, said
from tests.key_server import signed

from safeconduct.core.acr import SINGLE

KEY = ECKey.generate_key("P-256", {"kid": "app-1"})
PUBLIC = {"keys": [KEY.as_dict(private=False)]}


@pytest.mark.rfc("9126#4")
@pytest.mark.rfc("9101#4")
@pytest.mark.rfc("JARM#2.4")
@pytest.mark.parametrize("ways", ["par", "jar", "jarm", "par,jar,jarm"])
async def test_openid_client_pushes_signs_and_verifies(live: Live, ways: str) -> None:
    made = await live.client(
        REDIRECT,
        jwks=PUBLIC,
        require_pushed_authorization_requests="par" in ways,
        require_signed_request_object="jar" in ways.split(","),
        request_object_signing_alg="ES256",
    )
    assert made.secret is not None
    node = await asyncio.create_subprocess_exec(
        "node",
        str(JS / "signed_requests.mjs"),
        live.issuer,
        made.client.id,
        made.secret.reveal(),
        REDIRECT,
        json.dumps(KEY.as_dict(private=True)),
        ways,
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
    assert ("request_uri" in got["asked"]) is ("par" in ways)
    assert ("request" in got["asked"]) is (ways == "jar")
    assert got["answered"] == (["response"] if "jarm" in ways else ["code", "state", "iss"])
    assert got["acr"] == SINGLE


@pytest.mark.rfc("9101#4")
async def test_the_request_of_authlib_signed_and_pushed(live: Live) -> None:
    made = await live.client(REDIRECT, jwks=PUBLIC)
    metadata = await discovered(live)
    assert made.secret is not None
    async with AsyncOAuth2Client(
        made.client.id,
        made.secret.reveal(),
        redirect_uri=REDIRECT,
        scope="openid email",
        code_challenge_method="S256",
    ) as client:
        verifier = "a-verifier-that-is-long-enough-to-be-one-123456"
        url, state = client.create_authorization_url(
            metadata["authorization_endpoint"], code_verifier=verifier
        )
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        now = int(time.time())
        claims = {**asked, "iss": made.client.id, "aud": live.issuer, "exp": now + 60, "nbf": now}
        request = signed(json.dumps(claims), KEY, typ="oauth-authz-req+jwt")
        async with httpx2.AsyncClient() as http:
            pushed = await http.post(
                metadata["pushed_authorization_request_endpoint"],
                data={"request": request},
                auth=(made.client.id, made.secret.reveal()),
            )
        assert pushed.status_code == 201
        query = {"client_id": made.client.id, "request_uri": pushed.json()["request_uri"]}
        landed = await live.consent(f"{metadata['authorization_endpoint']}?{urlencode(query)}")
        token = await client.fetch_token(
            metadata["token_endpoint"],
            authorization_response=landed,
            code_verifier=verifier,
            state=state,
        )
        assert token["token_type"] == "Bearer"
