"""golang.org/x/oauth2 with go-oidc: discovery, code with PKCE, ID token, userinfo, refresh."""

import subprocess
from pathlib import Path

import pytest
from tests.flows.conftest import EMAIL, Live
from tests.flows.driven import driven

HERE = Path(__file__).parent / "go"
REDIRECT = "http://127.0.0.1:9/callback"


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    built = tmp_path_factory.mktemp("go") / "judge"
    subprocess.run(["go", "build", "-o", str(built), "."], cwd=HERE, check=True, timeout=300)
    return str(built)


@pytest.mark.rfc("6749#4.1")
@pytest.mark.rfc("OIDC#3.1")
async def test_go_walks_a_grant_from_the_issuer_alone(one: Live, program: str) -> None:
    made = await one.client(REDIRECT)
    assert made.secret is not None
    secret = made.secret.reveal()
    _, got = await driven(one, program, one.issuer, made.client.id, secret, REDIRECT)
    assert got == {"email": EMAIL, "nonce": "n-1", "same": True, "rotated": True}
