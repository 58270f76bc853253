"""ID tokens: OpenID Connect Core §2."""

import pytest
from tests.core.test_access_token import NOW, SUBJECT

from safeconduct.core.id_token import at_hash, id_claims


@pytest.mark.rfc("OIDC#3.1.3.6")
def test_the_hash_of_the_example_in_the_specification() -> None:
    # OpenID Connect Core, Appendix A.3 and A.4
    token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"
    assert at_hash(token) == "77QmUPtjPfzWtF2AnpK9RQ"


@pytest.mark.rfc("OIDC#2")
def test_the_claims() -> None:
    made = id_claims(
        issuer="https://id.example",
        client_id="cli_1",
        subject=SUBJECT,
        nonce="n",
        now=NOW,
        ttl=3_600_000,
    )
    assert made == {
        "iss": "https://id.example",
        "sub": "usr_1",
        "aud": "cli_1",
        "azp": "cli_1",
        "exp": 1_800_003_600,
        "iat": 1_800_000_000,
        "auth_time": 1_799_999_995,
        "nonce": "n",
        "acr": "urn:x",
        "amr": ["pwd", "otp"],
    }


@pytest.mark.rfc("OIDC#12.2")
def test_a_nonce_is_not_invented() -> None:
    made = id_claims(
        issuer="https://id.example",
        client_id="cli_1",
        subject=SUBJECT,
        nonce=None,
        now=NOW,
        ttl=3_600_000,
    )
    assert "nonce" not in made
