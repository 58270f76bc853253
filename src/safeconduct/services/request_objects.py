"""Request objects (RFC 9101), by value or at an address that the client has registered."""

import asyncio
from collections.abc import Collection

from safeconduct.core.errors import OAuthError, ProviderError
from safeconduct.core.flow_state import object_ref
from safeconduct.core.jws import parse_jws
from safeconduct.core.model import Client
from safeconduct.core.request_object import MAX_OBJECT, Inside, judge, refused
from safeconduct.core.spent import is_spent, spend
from safeconduct.core.unit import Done, Facts
from safeconduct.ports.clock import Clock
from safeconduct.ports.outbound import Outbound, OutboundRequest
from safeconduct.ports.store import Store
from safeconduct.services.client_keys import ClientKeys
from safeconduct.services.keys import Keys
from safeconduct.services.realms import Realms

TIMEOUT_S = 5.0


class RequestObjects:
    """`fetches`: addresses that clients have registered may be asked for request objects."""

    def __init__(
        self,
        *,
        store: Store,
        keys: Keys,
        client_keys: ClientKeys,
        outbound: Outbound,
        clock: Clock,
        realms: Realms,
        fetches: bool = False,
    ) -> None:
        self.store, self.keys, self.client_keys = store, keys, client_keys
        self.outbound, self.clock = outbound, clock
        self.realms, self.fetches = realms, fetches

    async def read(
        self,
        client: Client,
        text: str,
        *,
        fetched: bool = False,
        needed: Collection[str] = (),
    ) -> Inside:
        """What a request object of this client holds; raises `OAuthError`."""
        if client.jwks is None and client.jwks_uri is None:
            raise _not_supported("request", "this client has no keys registered")
        try:
            jws = parse_jws(await self._opened(client, text), MAX_OBJECT)
        except ValueError:
            raise refused("it is not a signed JWT", "shape") from None
        issuer = self.realms.issuer(client.tenant_id)
        now = self.clock.now()
        inside = judge(jws, client, issuer, now, fetched=fetched, needed=needed)
        if not await self.client_keys.verified(client, jws):
            raise refused("its signature is not right", "signature")
        return inside

    async def first(self, client: Client, inside: Inside) -> None:
        """A pushed one counts once, on whichever node; one by value is spent with its flow."""
        if inside.once is None:
            return
        ref, now = object_ref(client.tenant_id, inside.once), self.clock.now()

        def decide(facts: Facts) -> Done[bool]:
            if is_spent(facts, ref, now):
                return Done(False)
            return Done(True, (spend(facts, ref, inside.until),))

        if not (await self.store.run((ref,), decide)).answer:
            raise refused("it was used before", "replayed")

    async def _opened(self, client: Client, text: str) -> str:
        """§4, §6.1: signed, and perhaps encrypted around that."""
        if text.count(".") != 4 or len(text) > MAX_OBJECT:
            return text
        return await asyncio.to_thread(self.keys.decrypt, client.tenant_id, text)

    async def fetch(self, client: Client, uri: str) -> str:
        """§5.2: the request object at an address; asked for only where the client said it lies.

        §10.4.1: an address that anybody can choose would make us knock at anybody's door.
        """
        if not self.fetches:
            raise _not_supported("request_uri", "request_uri is only for pushed requests")
        address = uri.partition("#")[0]  # OpenID Connect Core §6.2: the fragment is its hash
        if address not in {known.partition("#")[0] for known in client.request_uris}:
            raise _gone("it is not registered")
        ask = OutboundRequest(
            method="GET",
            url=address,
            headers={"accept": "application/oauth-authz-req+jwt, application/jwt"},
            timeout_s=TIMEOUT_S,
            max_bytes=MAX_OBJECT,
        )
        try:
            answer = await self.outbound.send(ask)
            if answer.status != 200:
                raise _gone("there is nothing at it")
            return answer.body.decode("ascii").strip()
        except (ProviderError, UnicodeDecodeError):
            raise _gone("what is at it cannot be read") from None


def _not_supported(name: str, why: str) -> OAuthError:
    return OAuthError(f"{name}_not_supported", why, rule=f"{name}.off", rfc="OIDC#6")


def _gone(why: str) -> OAuthError:
    return OAuthError(
        "invalid_request_uri", f"request_uri: {why}", rule="request_uri.fetch", rfc="9101#7"
    )
