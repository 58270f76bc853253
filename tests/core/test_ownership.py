"""Apps that are not approved are their owner's alone; an owner's accounts need no approval."""

from dataclasses import replace

import pytest
from tests.core.test_registration import CLIENT

from safeconduct.core.accounts import offered
from safeconduct.core.errors import ApiError
from safeconduct.core.model import Account
from safeconduct.core.ownership import is_open_to, trades_live
from safeconduct.core.registration import choose

ANN, BOB = "usr_ann", "usr_bob"


@pytest.mark.parametrize("approved", [True, False])
@pytest.mark.parametrize("owner", [ANN, None])
def test_who_may_let_it_in(approved: bool, owner: str | None) -> None:
    app = replace(CLIENT, approved=approved, owner_id=owner)
    assert is_open_to(app, ANN) is (approved or owner == ANN)
    assert is_open_to(app, BOB) is approved
    assert not trades_live(app, None), "nobody owns what nobody owns"


@pytest.mark.parametrize("live", [True, False])
def test_live_accounts_of_the_owner_need_no_approval(live: bool) -> None:
    app = replace(CLIENT, live_trading_approved=live, owner_id=ANN)
    for user in (ANN, BOB):
        accounts = [
            Account(
                tenant_id=app.tenant_id,
                id=env,
                user_id=user,
                env=env,
                status="active",
                created_at=0,
            )
            for env in ("live", "paper")
        ]
        ids = [one.id for one in offered(accounts, app, None)]
        assert ids == (["live", "paper"] if live or user == ANN else ["paper"])
        assert not offered(accounts, replace(app, approved=False), None) or user == ANN


@pytest.mark.parametrize("owner", ["ann@example.org", "usr_", 7, ""])
def test_an_owner_is_a_user(owner: object) -> None:
    asked = {"client_name": "A", "redirect_uris": ["https://a.example/cb"]}
    with pytest.raises(ApiError) as refused:
        choose({**asked, "owner_id": owner}, None, ["authorization_code", "refresh_token"])
    assert refused.value.field == "owner_id"
    made = choose({**asked, "owner_id": ANN}, None, ["authorization_code", "refresh_token"])
    assert made["owner_id"] == ANN
