"""CIBA Core §7: the backchannel authentication endpoint, and the ping that follows (§10.2)."""

import json
from dataclasses import replace
from typing import Any

from safeconduct.core.ciba import PER_USER, SIGNED, Asked, asked_too_often, read, unknown_user
from safeconduct.core.deferred import STARTS, deferred_ref, new_request
from safeconduct.core.errors import (
    OAuthError,
    ProviderError,
    invalid_client,
    invalid_request,
    unauthorized_client,
)
from safeconduct.core.events import event
from safeconduct.core.form import Form
from safeconduct.core.grants.ciba import NAME
from safeconduct.core.identifiers import parse_identifier
from safeconduct.core.jobs import Failed, Outcome
from safeconduct.core.model import Client, Deferred, Identifier, Job, User
from safeconduct.core.pairwise import is_pairwise
from safeconduct.core.resource import resource_of
from safeconduct.core.unit import Done, Facts, Insert, Ref
from safeconduct.core.users import user_ref
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.keyring import Unsealable
from safeconduct.ports.outbound import Outbound, OutboundRequest
from safeconduct.ports.store import Store
from safeconduct.services.clients import Clients
from safeconduct.services.keys import Keys
from safeconduct.services.realms import Realms
from safeconduct.services.request_objects import RequestObjects

TIMEOUT_S = 10.0


class Ciba:
    def __init__(
        self,
        *,
        store: Store,
        keys: Keys,
        clock: Clock,
        mint: Mint,
        clients: Clients,
        objects: RequestObjects,
        outbound: Outbound,
        realms: Realms,
    ) -> None:
        self.store, self.keys, self.clock, self.mint = store, keys, clock, mint
        self.clients, self.objects = clients, objects
        self.outbound, self.realms = outbound, realms

    async def start(self, client: Client, form: Form) -> dict[str, Any]:
        """§7.3: the request is written down for the person whom it names."""
        if client.status != "active":
            raise invalid_client(rule="client.disabled")
        if NAME not in client.grant_types or not client.confidential:
            raise unauthorized_client(
                "the client may not use this grant", rule="grant.client", rfc="CIBA#13"
            )
        asked = read(await self._unwrapped(client, form), client)
        resources = resource_of(client, asked.resources, self.realms.issuer(client.tenant_id))
        user = await self._user(client, *asked.hint)
        return await self._insert(client, asked, resources, user)

    async def _unwrapped(self, client: Client, form: Form) -> Form:
        """§7.1.1: a signed request holds all parameters; FAPI-CIBA §5.2.2 takes no other."""
        text = form.get("request")
        wanted = client.metadata.get("backchannel_authentication_request_signing_alg")
        if text is None:
            if wanted is not None or client.security_profile is not None:
                raise invalid_request("the request must be signed", rule="ciba.unsigned")
            return form
        try:
            return (await self.objects.read(client, text, needed=SIGNED)).form
        except OAuthError as error:
            raise invalid_request(error.description, rule=error.rule, rfc="CIBA#7.1.1") from None

    async def _user(self, client: Client, hint: str, value: str) -> User:
        user_id: str | None = None
        if hint == "id_token_hint":
            user_id = self._hinted(client, value)
        elif hint == "login_hint":
            user_id = await self._named(client, value)
        user = None
        if user_id is not None:
            user = await self.store.get(user_ref(client.tenant_id, user_id))
        if user is None or user.status != "active":
            raise unknown_user()
        return user

    def _hinted(self, client: Client, text: str) -> str | None:
        try:
            tenant_id, claims = self.keys.verify(text, typ="JWT")
        except ValueError:
            return None
        mine = tenant_id == client.tenant_id and claims.get("aud") == client.id
        subject = claims.get("sub")
        return subject if mine and isinstance(subject, str) and not is_pairwise(client) else None

    async def _named(self, client: Client, text: str) -> str | None:
        """An address, or the id that the client knows the user by."""
        address = parse_identifier(text)
        if address is None:
            return text if len(text) <= 128 and text.isascii() else None
        ref = Ref(Identifier, tenant_id=client.tenant_id, kind=address.kind, value=address.value)
        row = await self.store.get(ref)
        return row.user_id if row is not None and row.verified_at is not None else None

    async def _insert(
        self, client: Client, asked: Asked, resources: tuple[str, ...], user: User
    ) -> dict[str, Any]:
        key, now = self.keys.of(client.tenant_id).digest_key, self.clock.now()
        id = self.mint.id("def")
        text, row = new_request(
            "ciba",
            client,
            id=id,
            secret=self.mint.secret(),
            digest_key=key,
            scope=asked.scope,
            resources=resources,
            now=now,
            user_id=user.id,
            binding_message=asked.binding_message,
            lifetime=asked.lifetime,
        )
        sealed = self._sealed(row, text, asked.notification_token)
        limits = [
            (STARTS, STARTS.ref(key, client.tenant_id, client.id)),
            (PER_USER, asked_too_often(key, client, user.id)),
        ]
        told = event(
            self.mint.id("evt"),
            now,
            client.tenant_id,
            "ciba.requested",
            actor=f"client:{client.id}",
            client_id=client.id,
            user_id=user.id,
            subject=row.id,
            detail={"scope": sorted(asked.scope)},
        )

        def decide(facts: Facts) -> Done[int]:
            wait = max(limit.wait(facts.get(ref), now) for limit, ref in limits)
            if wait:
                return Done(wait)
            counted = [limit.count(ref, facts.get(ref), now) for limit, ref in limits]
            return Done(0, (Insert(sealed), *counted, Insert(told)))

        wait = (await self.store.run([ref for _, ref in limits], decide)).answer
        if wait:
            raise OAuthError(
                "access_denied",
                "this user was asked too often",
                status=429,
                rule="ciba.flood",
                retry_after=wait // 1000 + 1,
            )
        return {
            "auth_req_id": text,
            "expires_in": asked.lifetime // 1000,
            "interval": row.interval_ms // 1000,
        }

    # The ping

    def _sealed(self, row: Deferred, text: str, token: str | None) -> Deferred:
        if token is None:
            return row
        both = json.dumps({"auth_req_id": text, "token": token}).encode()
        return replace(row, notify=self.keys.seal(row.tenant_id, "seal", both, _aad(row.id)))

    async def notify(self, job: Job) -> Outcome:
        """§10.2: tell the client that somebody has decided; what, it asks itself."""
        row = await self.store.get(deferred_ref(job.tenant_id, job.subject))
        client = None if row is None else await self.clients.find(row.client_id, row.tenant_id)
        if row is None or row.notify is None or client is None or client.status != "active":
            return None
        endpoint = client.metadata.get("backchannel_client_notification_endpoint")
        if not isinstance(endpoint, str) or self.clock.now() >= row.expires_at:
            return None
        try:
            both = json.loads(self.keys.open(row.tenant_id, "seal", row.notify, _aad(row.id)))
        except Unsealable:
            return Failed("unreadable", final=True)
        request = OutboundRequest(
            method="POST",
            url=endpoint,
            headers={"authorization": f"Bearer {both['token']}"},
            json={"auth_req_id": both["auth_req_id"]},
            timeout_s=TIMEOUT_S,
            max_bytes=4_096,
        )
        try:
            answer = await self.outbound.send(request)
        except ProviderError as error:
            return Failed(error.code, final=error.remedy == "misconfigured")
        # "the OP MUST NOT follow redirects"; 4xx is the client's own fault and is not repeated
        if 200 <= answer.status < 300:
            return None
        return Failed(f"status_{answer.status}", final=300 <= answer.status < 500)


def _aad(id: str) -> bytes:
    return f"deferred\0{id}".encode()
