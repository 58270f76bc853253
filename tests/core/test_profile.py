"""Claims about a person, as they come in."""

from typing import Any

import pytest

from safeconduct.core.errors import ApiError
from safeconduct.core.profile import PROFILE, changed_profile

WHOLE = {
    "given_name": "Ada",
    "family_name": "King",
    "middle_name": "Augusta",
    "nickname": "Countess",
    "preferred_username": "ada",
    "profile": "https://people.example/ada",
    "picture": "https://people.example/ada.png?size=2",
    "website": "https://ada.example",
    "gender": "female",
    "birthdate": "1815-12-10",
    "zoneinfo": "Europe/London",
    "locale": "en-GB",
    "address": {"formatted": "12 St James's Square\nLondon", "country": "UK"},
}


@pytest.mark.rfc("OIDC#5.1")
def test_every_standard_claim_is_kept_as_it_will_be_given() -> None:
    assert tuple(WHOLE) == PROFILE
    assert changed_profile({}, WHOLE) == WHOLE


def test_null_takes_a_claim_away_and_the_others_stay() -> None:
    changed = changed_profile(WHOLE, {"gender": None, "nickname": "Enchantress"})
    assert changed == {k: v for k, v in WHOLE.items() if k != "gender"} | {
        "nickname": "Enchantress"
    }
    assert WHOLE["gender"] == "female"


@pytest.mark.parametrize("birthdate", ["1815-12-10", "1815", "0000-02-29", "2024-02-29"])
def test_birthdays_may_hide_their_year(birthdate: str) -> None:
    assert changed_profile({}, {"birthdate": birthdate}) == {"birthdate": birthdate}


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {"sub": "usr_other"},
        {"email": "eve@example.org"},
        {"email_verified": True},
        {"name": "Eve"},
        {"given_name": ""},
        {"given_name": " "},
        {"given_name": 7},
        {"given_name": "a\u202eb"},
        {"given_name": "a\nb"},
        {"given_name": "x" * 257},
        {"picture": "javascript:alert(1)"},
        {"picture": "http://people.example/ada.png"},
        {"website": "https://ada.example/ a"},
        {"birthdate": "1815-13-10"},
        {"birthdate": "2023-02-29"},
        {"birthdate": "10.12.1815"},
        {"birthdate": "0000"},
        {"birthdate": "1815-12"},
        {"birthdate": "١٨١٥"},
        {"zoneinfo": "../../etc/passwd"},
        {"locale": "english please"},
        {"address": "London"},
        {"address": {}},
        {"address": {"planet": "Earth"}},
        {"address": {"country": None}},
    ],
)
def test_what_no_claim_can_be(data: Any) -> None:
    with pytest.raises(ApiError) as refused:
        changed_profile({}, data)
    assert refused.value.status == 400
    assert str(refused.value.field).startswith("profile")
