"""What an app can see of a session: that it is the same, and nothing else."""

import pytest

from safeconduct.core.session_management import browser_state, session_state

HERE = "https://app.example/cb"


@pytest.mark.rfc("OIDC-SESSION#2")
def test_the_state_is_of_one_app_one_origin_and_one_session() -> None:
    state = session_state("cli_1", HERE, "ses_1", "salt")
    assert state is not None
    assert state.endswith(".salt")
    assert session_state("cli_1", "https://app.example/other?x=1", "ses_1", "salt") == state
    for other in (
        session_state("cli_2", HERE, "ses_1", "salt"),
        session_state("cli_1", "https://app.example:8443/cb", "ses_1", "salt"),
        session_state("cli_1", HERE, "ses_2", "salt"),
        session_state("cli_1", HERE, "ses_1", "other"),
    ):
        assert other != state


def test_an_app_without_an_origin_has_no_state() -> None:
    assert session_state("cli_1", "com.example.app:/cb", "ses_1", "salt") is None


def test_the_cookie_does_not_say_which_session_it_is() -> None:
    assert "ses_1" not in browser_state("ses_1")
    assert browser_state("ses_1") != browser_state("ses_2")
