"""RFC 7636."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safeconduct.core.pkce import challenge_of, is_challenge, proves

# RFC 7636 Appendix B
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.mark.rfc("7636#B")
def test_the_example_of_the_rfc() -> None:
    assert challenge_of(VERIFIER) == CHALLENGE
    assert proves(VERIFIER, CHALLENGE)
    assert is_challenge(CHALLENGE)


@pytest.mark.rfc("7636#4.1")
@pytest.mark.attack("B5")
@pytest.mark.parametrize("length", [43, 44, 127, 128])
def test_a_verifier_of_43_to_128_characters_proves(length: int) -> None:
    verifier = "aZ09-._~" * 16
    assert proves(verifier[:length], challenge_of(verifier[:length]))


@pytest.mark.rfc("7636#4.1")
@pytest.mark.attack("B5")
@pytest.mark.parametrize(
    "verifier", ["a" * 42, "a" * 129, "a" * 42 + "+", "a" * 42 + " ", "a" * 43 + "\n", ""]
)
def test_a_malformed_verifier_proves_nothing_even_if_its_hash_is_right(verifier: str) -> None:
    assert not proves(verifier, challenge_of(verifier))


@pytest.mark.attack("B5")
@pytest.mark.parametrize(
    "challenge",
    [
        CHALLENGE[:-1],
        CHALLENGE + "A",
        CHALLENGE + "=",
        CHALLENGE[:-1] + "+",
        CHALLENGE[:-1] + "\n",
        CHALLENGE[:-1] + "N",  # the same hash, written in another way
        "",
    ],
)
def test_what_is_no_sha256_is_no_challenge(challenge: str) -> None:
    assert not is_challenge(challenge)


@given(st.from_regex(r"[A-Za-z0-9\-._~]{43,128}", fullmatch=True), st.text(max_size=130))
def test_only_the_verifier_itself_proves(verifier: str, other: str) -> None:
    challenge = challenge_of(verifier)
    assert is_challenge(challenge)
    assert proves(verifier, challenge)
    assert proves(other, challenge) is (other == verifier)
