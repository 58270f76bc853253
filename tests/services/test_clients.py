"""The registry of clients, and proving to be one."""

import asyncio
from typing import Any

import pytest
from tests.back import FORM, OTHER, REDIRECT, TENANT, Back, back_of, basic, basic_of, secret_of
from tests.conftest import SettableClock
from tests.web.oauth2.answers import refused

from safeconduct.adapters.clock import SystemMint
from safeconduct.core.errors import ApiError
from safeconduct.core.model import ClientSecret, Counter, Directory
from safeconduct.core.unit import Delete, Find, Ref
from safeconduct.ports.store import Store
from safeconduct.services.clients import Clients, Created
from safeconduct.services.known_clients import HELD_MS

TOKEN = "/oauth2/token"
DAY = 86_400_000


@pytest.fixture
async def back(store: Store, clock: SettableClock, mint: SystemMint) -> Back:
    return await back_of(store, clock, mint)


async def works(back: Back, client_id: str, secret: str) -> bool:
    headers = {"content-type": FORM, "authorization": basic(client_id, secret)}
    reply = await back.send("POST", TOKEN, headers, b"grant_type=client_credentials")
    assert reply.status in (200, 401, 429)
    return reply.status == 200


# Authentication


@pytest.mark.attack("D11")
@pytest.mark.rfc("6749#2.3")
async def test_methods_are_not_confused(back: Back) -> None:
    app, public = await back.machine(), await back.public()
    post = await back.machine(token_endpoint_auth_method="client_secret_post")
    form: dict[str, str | None] = {"grant_type": "client_credentials"}

    async def attempt(headers: dict[str, str], **fields: str) -> Any:
        body = "&".join(f"{k}={v}" for k, v in {**form, **fields}.items()).encode()
        return await back.send("POST", TOKEN, {"content-type": FORM, **headers}, body)

    by_header = {"authorization": basic_of(app)}
    ids = {"client_id": app.client.id}
    refused(await attempt(by_header, client_secret=secret_of(app)), "invalid_request")
    refused(await attempt(by_header, client_id=post.client.id), "invalid_request")
    refused(await attempt({}, **ids), "invalid_client", 401)
    refused(await attempt({}, client_id=public.client.id, client_secret="x"), "invalid_client", 401)
    refused(await attempt({"authorization": basic(public.client.id, "x")}), "invalid_client", 401)
    refused(await attempt({"authorization": basic(app.client.id, "")}), "invalid_client", 401)
    refused(await attempt(by_header, client_assertion="e.y.J"), "invalid_request")
    assert (await attempt(by_header)).status == 200
    assert (await attempt(by_header, **ids)).status == 200


@pytest.mark.attack("D11")
async def test_two_authorization_headers(back: Back) -> None:
    app = await back.machine()
    auth = (b"authorization", basic_of(app).encode())
    kind, body = (b"content-type", FORM.encode()), b"grant_type=client_credentials"
    refused(await back.send("POST", TOKEN, [kind, auth, auth], body), "invalid_request")
    assert (await back.send("POST", TOKEN, [kind, auth], body)).status == 200


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_a_secret_may_come_in_either_place(back: Back, method: str) -> None:
    app = await back.machine(token_endpoint_auth_method=method)
    assert await works(back, app.client.id, secret_of(app))
    form = {
        "grant_type": "client_credentials",
        "client_id": app.client.id,
        "client_secret": secret_of(app),
    }
    assert (await back.post(TOKEN, form)).status == 200
    refused(await back.post(TOKEN, {**form, "client_secret": "x"}), "invalid_client", 401)


@pytest.mark.attack("K1")
async def test_an_unknown_client_and_a_wrong_secret_look_alike(back: Back) -> None:
    app = await back.machine()
    bodies = []
    for client_id in (app.client.id, "cli_nobody", "x" * 300, "\x7f"):
        headers = {"content-type": FORM, "authorization": basic(client_id, "wrong")}
        reply = await back.send("POST", TOKEN, headers, b"grant_type=client_credentials")
        refused(reply, "invalid_client", 401)
        assert (reply.header("www-authenticate") or "").startswith("Basic")
        bodies.append({**reply.json, "error_id": ""})
    assert all(body == bodies[0] for body in bodies)


@pytest.mark.attack("D16")
async def test_guessing_is_stopped_and_locks_nobody_out(back: Back) -> None:
    app = await back.machine()
    statuses = []
    for number in range(300):
        headers = {"content-type": FORM, "authorization": basic(app.client.id, f"g{number}")}
        reply = await back.send("POST", TOKEN, headers, b"grant_type=client_credentials")
        statuses.append(reply.status)
    assert statuses == [401] * 100 + [429] * 200
    assert int(reply.header("retry-after") or 0) > 0
    assert await works(back, app.client.id, secret_of(app))
    (counter,) = await back.store.find(Find(Counter, {"tenant_id": TENANT}))
    assert counter.count == 100
    back.clock.advance(5 * 60_000)
    assert not await works(back, app.client.id, "again")
    (counter,) = await back.store.find(Find(Counter, {"tenant_id": TENANT}))
    assert counter.count == 1


@pytest.mark.attack("D16")
async def test_a_hundred_guesses_at_once_are_a_hundred(back: Back) -> None:
    app = await back.machine()
    await asyncio.gather(*(works(back, app.client.id, f"g{n}") for n in range(150)))
    (counter,) = await back.store.find(Find(Counter, {"tenant_id": TENANT}))
    assert counter.count == 100


async def test_the_right_secret_writes_nothing(back: Back) -> None:
    app = await back.machine()
    before = await back.snapshot(), await back.events()
    assert await works(back, app.client.id, secret_of(app))
    assert (await back.snapshot(), await back.events()) == before
    assert not await back.store.find(Find(Counter, {"tenant_id": TENANT}))


# Secrets


async def test_two_secrets_live_so_that_one_can_be_changed(back: Back) -> None:
    app = await back.machine()
    id, first = app.client.id, secret_of(app)
    made = await back.clients.rotate_secret(TENANT, id, actor="operator")
    assert isinstance(made, Created)
    second = secret_of(made)
    assert await works(back, id, first)
    assert await works(back, id, second)
    back.clock.advance(DAY)
    assert not await works(back, id, first)
    assert await works(back, id, second)


async def test_a_third_secret_ends_the_first_at_once(back: Back) -> None:
    app = await back.machine()
    id, secrets = app.client.id, [secret_of(app)]
    for _ in range(2):
        made = await back.clients.rotate_secret(TENANT, id, actor="operator")
        assert isinstance(made, Created)
        secrets.append(secret_of(made))
    assert [await works(back, id, secret) for secret in secrets] == [False, True, True]
    assert len(await back.clients.secrets(TENANT, id)) == 2


async def test_a_secret_can_be_ended(back: Back) -> None:
    app = await back.machine()
    assert app.secret_id is not None
    assert await works(back, app.client.id, secret_of(app))
    await back.clients.remove_secret(TENANT, app.client.id, app.secret_id, actor="operator")
    assert not await works(back, app.client.id, secret_of(app))
    with pytest.raises(ApiError, match="client_secret_not_found"):
        await back.clients.remove_secret(TENANT, app.client.id, app.secret_id, actor="operator")


async def test_only_the_end_of_a_secret_is_kept(back: Back) -> None:
    app = await back.machine()
    (row,) = await back.store.find(Find(ClientSecret, {"client_id": app.client.id}))
    assert row.suffix == secret_of(app)[-4:]
    assert secret_of(app) not in repr(row)
    assert "…" in repr(app)


async def test_a_public_client_has_none(back: Back) -> None:
    app = await back.public()
    assert app.secret is None
    with pytest.raises(ApiError, match="client_is_public"):
        await back.clients.rotate_secret(TENANT, app.client.id, actor="operator")


# Registering and changing


async def test_every_change_leaves_one_event(back: Back) -> None:
    app = await back.client()
    id = app.client.id
    await back.clients.update(TENANT, id, {"client_name": "New"}, actor="user:usr_1")
    await back.clients.update(TENANT, id, {"client_name": "New"}, actor="operator")  # no change
    await back.clients.disable(TENANT, id, actor="operator")
    await back.clients.disable(TENANT, id, actor="operator")  # no change
    await back.clients.enable(TENANT, id, actor="operator")
    await back.clients.delete(TENANT, id, actor="operator")
    events = [event for event in await back.events() if event.subject == id]
    assert [event.type for event in events] == [
        "client.created",
        "client.updated",
        "client.disabled",
        "client.enabled",
        "client.deleted",
    ]
    assert events[1].actor == "user:usr_1"
    assert events[1].detail == {"changed": ["client_name"]}


async def test_a_change_is_seen_at_once(back: Back) -> None:
    app = await back.client()
    await back.clients.find(app.client.id, TENANT)
    await back.clients.update(TENANT, app.client.id, {"client_name": "New"}, actor="operator")
    found = await back.clients.find(app.client.id, TENANT)
    assert found is not None
    assert found.client_name == "New"


@pytest.mark.attack("P14")
async def test_a_change_by_another_node_is_seen_within_the_second(back: Back) -> None:
    app = await back.client()
    elsewhere = Clients(
        store=back.store,
        keys=back.keys,
        clock=back.clock,
        mint=back.mint,
        grant_types=back.clients.grant_types,
    )
    assert await elsewhere.find(app.client.id, TENANT)
    assert await elsewhere.find("cli_unknown", TENANT) is None
    await back.clients.disable(TENANT, app.client.id, actor="operator")
    back.clock.advance(HELD_MS)
    found = await elsewhere.find(app.client.id, TENANT)
    assert found is not None
    assert found.status == "disabled"
    await back.clients.enable(TENANT, app.client.id, actor="operator")
    elsewhere.forget()
    found = await elsewhere.find(app.client.id, TENANT)
    assert found is not None
    assert found.status == "active"


async def test_unknown_ids_push_no_known_client_out(
    back: Back, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("safeconduct.services.known_clients.HELD", 4)
    app = await back.client()
    await back.clients.find(app.client.id, TENANT)
    for number in range(20):
        assert await back.clients.find(f"cli_{number}", TENANT) is None
    await back.write(Delete(Ref(Directory, kind="client", value=app.client.id)))
    assert await back.clients.find(app.client.id, TENANT), "still held"


@pytest.mark.invariant("V3")
async def test_a_deleted_client_is_gone_with_all_it_held(back: Back) -> None:
    app = await back.client()
    watcher = await back.client(resources=["https://id.example"])
    tokens = await back.signed_in(app)
    assert (await back.introspect(watcher, tokens["access_token"]))["active"]
    await back.clients.delete(TENANT, app.client.id, actor="operator")
    assert await back.clients.find(app.client.id, TENANT) is None
    refused(await back.refresh(app, tokens["refresh_token"]), "invalid_client", 401)
    assert await back.introspect(watcher, tokens["access_token"]) == {"active": False}
    refused(await back.userinfo(tokens["access_token"]), "invalid_token", 401)
    assert not await back.store.find(Find(ClientSecret, {"client_id": app.client.id}))


@pytest.mark.attack("P2")
async def test_a_client_of_another_tenant_does_not_exist(back: Back) -> None:
    foreign = await back.client(OTHER)
    id = foreign.client.id
    for attempt in (
        back.clients.show(TENANT, id),
        back.clients.secrets(TENANT, id),
        back.clients.update(TENANT, id, {"client_name": "x"}, actor="operator"),
        back.clients.disable(TENANT, id, actor="operator"),
        back.clients.rotate_secret(TENANT, id, actor="operator"),
        back.clients.delete(TENANT, id, actor="operator"),
    ):
        with pytest.raises(ApiError, match="client_not_found"):
            await attempt
    assert await back.clients.find(id, TENANT) is not None
    assert await back.clients.list(TENANT) == ()


async def test_clients_in_pages(back: Back) -> None:
    ids = [(await back.client()).client.id for _ in range(5)]
    seen: list[str] = []
    after = None
    while rows := await back.clients.list(TENANT, after=after, limit=2):
        seen += [row.id for row in rows]
        after = rows[-1].id
    assert seen == ids


async def test_a_wrong_field_registers_nothing(back: Back) -> None:
    before = await back.snapshot()
    with pytest.raises(ApiError, match="invalid_redirect_uri"):
        await back.client(redirect_uris=[REDIRECT, "javascript:alert(1)"])
    assert await back.snapshot() == before
