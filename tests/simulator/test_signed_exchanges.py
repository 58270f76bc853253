"""Exchanges that are tables: the real ccxt signs, and every part of what it signs is changed once.

The stranger is ccxt's own `sign`; whole accounts go through the worker's process and real HTTP.
"""

from asyncio import gather
from dataclasses import replace
from decimal import Decimal
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import ccxt
import pytest
from tests.catalog.test_entries import entry
from tests.catalog.test_key_entries import Account
from tests.simulator_fixture import Running, running

from safeconduct.adapters.connectors import Connected
from safeconduct.adapters.connectors.ccxt import CcxtConnector
from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.core.upstream.classify import Raw, read_position
from safeconduct.core.upstream.pages import capability_of
from safeconduct.core.upstream.records import AssetsCapability
from safeconduct.core.upstream.simulated import simulated
from safeconduct.simulator import speaks
from safeconduct.simulator.exchanges import keys_of
from safeconduct.simulator.exchanges._desk import Called, Refused
from safeconduct.simulator.exchanges._scheme import Headers
from safeconduct.simulator.exchanges.signed import MANNERS, Mannered

ENTRIES = {
    **{name: name for name in MANNERS},
    "coinbase": "coinbaseadvanced",
    "gemini": "geminiexchange",
}
PATHS: dict[str, tuple[str, Any, str, dict[str, Any]]] = {
    "okx": ("account/balance", "private", "GET", {"ccy": "BTC,ETH"}),
    "bybit": ("v5/account/wallet-balance", "private", "GET", {"accountType": "UNIFIED"}),
    "bitfinex": ("auth/r/wallets", "private", "POST", {"a": "1"}),
    "gemini": ("v1/balances", "private", "POST", {"a": "1"}),
    "bitstamp": ("account_balances/", "private", "POST", {"offset": 1}),
    "gate": ("accounts", ["private", "spot"], "GET", {"currency": "BTC"}),
    "coinbase": ("accounts", ["v2", "private"], "GET", {"limit": 250}),
    "coinbaseexchange": ("accounts", "private", "GET", {"x": "1"}),
}


def user_of(name: str) -> str:
    return "account-mira" if name == "gemini" else "mira"  # Gemini's say whether they are a group's


class Signing:
    """One exchange, and requests as the real client signs them for it."""

    def __init__(self, name: str, at: str = "mira") -> None:
        self.house = Mannered(name, MANNERS[name])
        keys = keys_of(name, user_of(name) if at == "mira" else at)
        made = {"apiKey": keys.api_key, "secret": keys.secret_key, "password": keys.passphrase}
        self.name, self.client = name, getattr(ccxt, name)(made)
        if self.client.nonce() > 10**11:  # no moment in seconds: it rises, as the worker's does
            self.client.nonce = count(self.client.milliseconds()).__next__

    def call(self, **changed: Any) -> Called:
        path, api, method, parameters = PATHS[self.name]
        made = self.client.sign(path, api, method, dict(parameters))
        parts = urlsplit(made["url"])
        told = {"path": parts.path, "query_string": parts.query, "body": made["body"] or ""}
        now = self.client.milliseconds() / 1000
        called = Called(
            method=made["method"], url=made["url"], headers=made["headers"], now=now, **told
        )
        return replace(called, **changed)

    def refused(self, called: Called) -> str | None:
        try:
            self.house.user(called)
        except Refused as refusal:
            return refusal.why
        return None


@pytest.mark.parametrize("name", PATHS)
def test_what_the_client_signs_is_what_is_checked(name: str) -> None:
    """Each part that is signed, changed by itself; beside it the same request as it was."""
    it, scheme = Signing(name), MANNERS[name].scheme
    assert it.house.public(it.call()) is None, "nobody is answered there without a signature"
    assert it.house.user(it.call()) == user_of(name)
    good = it.call()
    changed = [replace(good, method="PATCH"), replace(good, path=f"{good.path}/other")]
    if name != "coinbase":  # a token names the path alone
        changed = [replace(good, query_string=f"{good.query_string}&b=2"), replace(good, body="x")]
    if name in ("bitfinex", "gemini"):  # these know paths and bodies only
        changed = [replace(good, path="/v1/mytrades")]
    changed.append(replace(good, headers={**good.headers, **_of_another(name)}))
    for one in changed:
        one = replace(one, url=_url(one))
        assert it.refused(one) == "signature", one
    assert it.refused(good) is None
    nobody = _as(good, scheme, "mira.000000000000000000000000")
    assert it.refused(nobody) == "key"
    if name != "gemini":  # whose client signs with no such key at all
        watching = Signing(name, "watching")
        assert watching.refused(watching.call()) == "permission"


def _url(called: Called) -> str:
    query = f"?{called.query_string}" if called.query_string else ""
    host = urlsplit(called.url)
    return f"{host.scheme}://{host.netloc}{called.path}{query}"


def _of_another(name: str) -> dict[str, str]:
    """The signature that another user would make, under this one's key."""
    scheme, theirs = MANNERS[name].scheme, Signing(name, "account-otto").call().headers
    if not isinstance(scheme, Headers):
        head, claims, _ = str(Signing(name).call().headers["Authorization"]).split(".")
        return {"Authorization": f"{head}.{claims}.{theirs['Authorization'].rpartition('.')[2]}"}
    return {scheme.signature: theirs[scheme.signature]}


def _as(called: Called, scheme: Any, key: str) -> Called:
    if isinstance(scheme, Headers):
        return replace(called, headers={**called.headers, scheme.key: f"{scheme.prefix}{key}"})
    return replace(called, headers={**called.headers, "Authorization": "Bearer a.b.c"})


@pytest.mark.parametrize("name", PATHS)
def test_a_request_is_good_for_a_while_or_once(name: str) -> None:
    it, scheme = Signing(name), MANNERS[name].scheme
    called = it.call()
    late, early = (replace(called, now=called.now + by) for by in (3_600, -3_600))
    timed = not isinstance(scheme, Headers) or scheme.time is not None
    if timed:
        assert (it.refused(late), it.refused(early)) == ("time", "time")
    assert it.refused(called) is None
    again = it.refused(called)
    once = not isinstance(scheme, Headers) or (scheme.nonce or scheme.payload) is not None
    assert again == ("nonce" if once else None)
    assert once or timed, "nothing can be sent again for ever"
    assert it.refused(it.call()) is None


def test_a_passphrase_is_asked_for_where_there_is_one() -> None:
    for name in ("okx", "coinbaseexchange"):
        it, scheme = Signing(name), MANNERS[name].scheme
        assert isinstance(scheme, Headers)
        called = it.call()
        wrong = {**called.headers, str(scheme.passphrase): "wrong"}
        assert it.refused(replace(called, headers=wrong)) == "passphrase"
        assert it.refused(called) is None


async def test_accounts_are_linked_and_read_and_strangers_are_refused() -> None:
    entries = [entry(id) for id in ENTRIES.values()]
    assert all(map(speaks, entries))
    plain = GuardedOutbound(["127.0.0.1"])
    out = Connected(plain, {"ccxt": CcxtConnector()})
    try:
        async with running(*entries) as sim:
            await gather(*(linked(sim, out, name, id) for name, id in ENTRIES.items()))
    finally:
        await out.close()
        await plain.close()


async def linked(sim: Running, out: Connected, name: str, id: str) -> None:
    user = user_of(name)
    keys = await sim.sim(f"keys?provider={id}&user={user}")
    it = Account(simulated(entry(id), sim.base_url), sim, out, keys)
    assert (await it.known_as()).status == 200, id
    other = await sim.sim(f"keys?provider={id}&user=account-otto")
    assert (await it.known_as(secret_key=other["secret_key"])).status == 401, id
    without = await sim.sim(f"keys?provider={id}&user=watching")
    assert (await it.known_as(**without)).status != 200, id
    assert await held(it) == await there(it, user), id


async def held(it: Account) -> dict[str, Decimal]:
    how = capability_of(it.provider, "assets")
    assert isinstance(how, AssetsCapability)
    items = await it.items("assets")
    read = [read_position(how.position, Raw(one.ref, {}, one.body)) for one in items]
    return {one.asset: one.quantity for one in read if one is not None}


async def there(it: Account, user: str) -> dict[str, Decimal]:
    truth = await it.sim.sim(f"accounts?provider={it.provider.id}&user={user}")
    balances = {one["asset"]: Decimal(one["balance"]) for one in truth["accounts"]}
    return {asset: total for asset, total in balances.items() if total}
