"""How somebody signed in, as a pure matter: RFC 8176, RFC 9470."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safeconduct.core.acr import ACR_VALUES, MULTI, SINGLE, acr_of, meets, methods_of, next_factor

METHODS = st.lists(st.sampled_from(["pwd", "otp", "sms", "mfa", "face"]), max_size=4)


@pytest.mark.rfc("8176#2")
@pytest.mark.parametrize(
    ("proven", "amr", "acr"),
    [
        ((), (), None),
        ((("pwd",),), ("pwd",), SINGLE),
        ((("pwd",), ("pwd",)), ("pwd",), SINGLE),
        ((("otp",), ("sms",)), ("otp", "sms"), SINGLE),
        ((("pwd",), ("otp",)), ("otp", "pwd", "mfa"), MULTI),
        ((("otp", "pwd", "mfa"), ("pwd",)), ("otp", "pwd", "mfa"), MULTI),
        ((("face",),), ("face",), None),
    ],
)
def test_two_kinds_of_factors_make_more_than_one(
    proven: tuple[tuple[str, ...], ...], amr: tuple[str, ...], acr: str | None
) -> None:
    assert methods_of(*proven) == amr
    assert acr_of(amr) == acr


@pytest.mark.rfc("9470#4")
def test_the_stronger_includes_the_weaker() -> None:
    assert meets(MULTI, (SINGLE,))
    assert meets(MULTI, (MULTI,))
    assert meets(SINGLE, (MULTI, SINGLE))
    assert not meets(SINGLE, (MULTI,))
    for nobody in (None, "urn:x"):
        assert not meets(nobody, ACR_VALUES)
    assert not meets(MULTI, ("urn:x",))
    assert not meets(MULTI, ())


@given(METHODS, METHODS)
def test_one_more_factor_never_weakens(before: list[str], after: list[str]) -> None:
    weak, strong = acr_of(methods_of(before)), acr_of(methods_of(before, after))
    if weak is not None:
        assert meets(strong, (weak,))
    if acr_of(methods_of(after)) == SINGLE and strong == SINGLE:
        page = next_factor(methods_of(before, after))
        assert page == ("signup" if "pwd" in before + after else "login")
