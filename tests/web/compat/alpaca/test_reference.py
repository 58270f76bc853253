"""The reference text, field by field, with real ids in place of its own.

Where the text contradicts the published contract (a token answer without `scope`), the contract's
answer holds all that the sample has, and the field that the text's own table names.
"""

from typing import Any

import pytest
from tests.web.compat.alpaca.desk import BASE, Desk

SHOWN = {
    "client_id": "7a3c52a910e1dc2abbb14da2b6b8e711",
    "name": "TradingApp",
    "description": "Sample description",
    "url": "http://test.com",
    "terms_of_use": "",
    "privacy_policy": "",
    "status": "ACTIVE",
    "redirect_uri": ["http://localhost"],
    "live_trading_approved": False,
}


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    return [shape(item) for item in value] if isinstance(value, list) else type(value)


async def test_retrieve_a_client_id(desk: Desk) -> None:
    change = {"description": SHOWN["description"]}
    await desk.site.clients.update(desk.app.tenant_id, desk.app.id, change, actor="operator")
    sample = {
        "response_type": "token",
        "redirect_uri": "www.example.com/oauth_redirect",
        "scope": "general",
    }
    for how in ({"params": sample}, {"json": sample}):
        answer = await desk.call("getOAuthClient", desk.app.id, **how)
        shown = answer.json()
        assert answer.status_code == 200
        assert list(shown) == list(SHOWN), "the fields, in the order of the sample"
        assert shape(shown) == shape(SHOWN)
        same = {name: value for name, value in SHOWN.items() if name not in ("client_id", "url")}
        assert {name: shown[name] for name in same} == same
        assert len(shown["client_id"]) == 32
        assert int(shown["client_id"], 16)


async def test_create_an_oauth_token(desk: Desk) -> None:
    for scope in ("general", ""):
        answer = await desk.issue(scope=scope)
        assert answer.status_code == 200
        given = answer.json()
        assert given.keys() == {"access_token", "token_type", "scope"}
        assert given["token_type"] == "Bearer"
        assert shape(given) == {"access_token": str, "token_type": str, "scope": str}


async def test_authorize_an_oauth_token(desk: Desk) -> None:
    sample = {
        "code": "912b5502-c983-40f7-a01d-6a66f13a754d",
        "client_id": "7a3c52a910e1dc2abbb14da2b6b8e711",
        "redirect_uri": "http://localhost",
        "scope": "",
    }
    given = (await desk.authorize()).json()
    assert list(given) == list(sample)
    assert shape(given) == shape(sample)
    assert (given["client_id"], given["redirect_uri"]) == (desk.app.id, "http://localhost")


async def test_delete_a_token(desk: Desk) -> None:
    answer = await desk.http.delete(f"{BASE}/token/{await desk.token()}", auth=desk.broker)
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize(
    "name", ["client_id", "client_secret", "redirect_uri", "scope", "account_id"]
)
async def test_every_parameter_is_required(desk: Desk, name: str) -> None:
    for call in (desk.issue, desk.authorize):
        assert (await call(**{name: None})).status_code == 422
        assert (await call()).status_code == 200


async def test_the_statuses_of_the_text(desk: Desk) -> None:
    """401: no such client, no access to it, or a wrong secret. 422: redirect URI or scope."""
    assert (await desk.look_up("0" * 32)).status_code == 401
    for call in (desk.issue, desk.authorize):
        assert (await call(client_id="0" * 32)).status_code == 401
        assert (await call(client_secret="wrong")).status_code == 401
        assert (await call(redirect_uri="www.example.com/oauth_redirect")).status_code == 422
        assert (await call(scope="everything")).status_code == 422
