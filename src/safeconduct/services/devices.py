"""RFC 8628 §3.1 and §3.2: a device asks to be let in, and gets a code to show."""

from typing import Any

from safeconduct.core.deferred import (
    LIFETIME,
    STARTS,
    code_digest,
    code_from,
    new_request,
    shown,
    with_code,
)
from safeconduct.core.errors import OAuthError, invalid_client, invalid_scope, unauthorized_client
from safeconduct.core.events import event
from safeconduct.core.form import Form
from safeconduct.core.grants.device_code import NAME
from safeconduct.core.model import Client, Words
from safeconduct.core.resource import resource_of
from safeconduct.core.scopes import OPERATOR_SCOPES, asked_scope, parse_scope
from safeconduct.core.unit import Done, Facts, Insert, Write
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store
from safeconduct.services.keys import Keys
from safeconduct.services.realms import Realms

PAGE = "/device"
CODES = 3  # tries at a code that no other device shows at the moment


class Devices:
    def __init__(
        self, *, store: Store, keys: Keys, clock: Clock, mint: Mint, realms: Realms
    ) -> None:
        self.store, self.keys, self.clock, self.mint = store, keys, clock, mint
        self.realms = realms

    async def start(self, client: Client, form: Form) -> dict[str, Any]:
        """§3.2. Nothing is asked of a person yet, so all that can be wrong is said at once."""
        if client.status != "active":
            raise invalid_client(rule="client.disabled")
        if NAME not in client.grant_types:
            raise unauthorized_client(
                "the client may not use this grant", rule="grant.client", rfc="8628#3.1"
            )
        scope = _scope(client, asked_scope(form))
        resources = resource_of(client, form.resources, self.realms.issuer(client.tenant_id))
        return await self._insert(client, scope, resources)

    async def _insert(
        self, client: Client, scope: Words, resources: tuple[str, ...]
    ) -> dict[str, Any]:
        key, now = self.keys.of(client.tenant_id).digest_key, self.clock.now()
        codes = [code_from(self.mint.secret()) for _ in range(CODES)]
        finds = {code: with_code(client.tenant_id, code_digest(key, code)) for code in codes}
        starts = STARTS.ref(key, client.tenant_id, client.id)
        id, secret, event_id = self.mint.id("def"), self.mint.secret(), self.mint.id("evt")

        def decide(facts: Facts) -> Done[tuple[str, str, int]]:
            counter = facts.get(starts)
            wait = STARTS.wait(counter, now)
            if wait:
                raise _too_many(wait)
            free = [code for code in codes if not facts.all(finds[code])]
            if not free:
                raise _too_many(1_000)
            text, row = new_request(
                "device",
                client,
                id=id,
                secret=secret,
                digest_key=key,
                scope=scope,
                resources=resources,
                now=now,
                code=free[0],
            )
            writes: list[Write] = [Insert(row), STARTS.count(starts, counter, now)]
            if client.confidential:  # anybody can name a public client, and fills no table
                told = event(
                    event_id,
                    now,
                    client.tenant_id,
                    "device.requested",
                    actor=f"client:{client.id}",
                    client_id=client.id,
                    subject=row.id,
                    detail={"scope": sorted(scope)},
                )
                writes.append(Insert(told))
            answer = text, shown(free[0]), row.interval_ms
            return Done(answer, writes)

        text, code, interval = (await self.store.run((starts, *finds.values()), decide)).answer
        address = self.realms.issuer(client.tenant_id) + PAGE
        return {
            "device_code": text,
            "user_code": code,
            "verification_uri": address,
            "verification_uri_complete": f"{address}?user_code={code}",
            "expires_in": LIFETIME // 1000,
            "interval": interval // 1000,
        }


def _scope(client: Client, asked: str | None) -> Words:
    scope = client.default_scope if asked is None else parse_scope(asked)
    if scope is None:
        raise invalid_scope("scope is malformed", rule="scope.malformed", rfc="6749#3.3")
    if not scope <= client.scope or scope & OPERATOR_SCOPES.keys():
        raise invalid_scope(
            "the client may not have this scope", rule="scope.client", rfc="6749#3.3"
        )
    if not scope:
        raise invalid_scope("name a scope", rule="scope.missing", rfc="6749#3.3")
    return scope


def _too_many(wait_ms: int) -> OAuthError:
    return OAuthError(
        "slow_down",
        "too many requests of this client",
        status=429,
        rule="device.flood",
        rfc="8628#5.1",
        retry_after=wait_ms // 1000 + 1,
    )
