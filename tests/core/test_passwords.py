"""What may be a password."""

import pytest

from safeconduct.core.passwords import objection


@pytest.mark.parametrize("password", ["correct horse battery", "1234567890123", "ünï cödé wörds"])
def test_long_ones(password: str) -> None:
    assert objection(password, ("ann@example.org",)) is None


@pytest.mark.parametrize(
    "password",
    ["", "short", "password123", "PassWord123", "aaaaaaaaaaaa", "1212121212121", "x" * 257],
)
def test_short_common_and_endless_ones(password: str) -> None:
    assert objection(password) is not None


def test_not_ones_own_name() -> None:
    names = ("annabelle-smith@example.org",)
    for password in ("annabelle-smith@example.org", "Annabelle-Smith", "example.org"):
        assert objection(password, names) is not None
        assert objection(password + " and more", names) is None
