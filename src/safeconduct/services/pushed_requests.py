"""Authorization requests that are sent ahead of their browser (RFC 9126)."""

import json
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from typing import Any

from safeconduct.core.flow_state import SPENT
from safeconduct.core.form import form_to_json
from safeconduct.core.model import Client, PushedRequest, Spent
from safeconduct.core.par import (
    ABANDONED,
    KIND,
    LIFETIME,
    URN,
    outlived,
    pushed_ref,
    request_uri,
    too_many,
)
from safeconduct.core.secret import Opaque, digest, parse_opaque, same
from safeconduct.core.sent_request import Sent, sent_from_json
from safeconduct.core.unit import Done, Facts, Insert, Ref
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.keyring import Unsealable
from safeconduct.ports.store import Store
from safeconduct.services.keys import Keys

MAX_URI = 12_000


class PushedRequests:
    def __init__(self, *, store: Store, keys: Keys, clock: Clock, mint: Mint) -> None:
        self.store, self.keys, self.clock, self.mint = store, keys, clock, mint

    async def push(self, client: Client, sent: Sent) -> dict[str, Any]:
        """§2.2: what the client sends its browser with. The request was found sound before."""
        uri = await self._keep(client, sent) if client.confidential else self._seal(client, sent)
        return {"request_uri": uri, "expires_in": LIFETIME // 1000}

    async def find(self, client: Client, uri: str) -> Sent | None:
        """The request behind a `request_uri` of this client, unless expired or spent."""
        rest = uri.removeprefix(URN)
        if len(uri) > MAX_URI or rest == uri:
            return None
        kept = parse_opaque(KIND, rest)
        sent = self._open(client, rest) if kept is None else await self._kept(client, kept)
        if sent is None or sent.pushed is None:
            return None
        spent = Ref(Spent, tenant_id=client.tenant_id, kind=SPENT, id=sent.pushed)
        return sent if await self.store.get(spent) is None else None

    # Of clients that have proved who they are

    async def _keep(self, client: Client, sent: Sent) -> str:
        now, key = self.clock.now(), self.keys.of(client.tenant_id).digest_key
        token = Opaque(KIND, client.tenant_id, self.mint.id("par"), self.mint.secret())
        row = PushedRequest(
            tenant_id=client.tenant_id,
            id=token.id,
            digest=digest(key, token.encode()),
            client_id=client.id,
            form=form_to_json(sent.form),
            signed=sent.signed,
            created_at=now,
            expires_at=now + LIFETIME,
        )
        counted = ABANDONED.ref(key, client.tenant_id, client.id, token.id)

        def decide(facts: Facts) -> Done[int]:
            counter = facts.get(counted)
            wait = ABANDONED.wait(counter, now)
            if wait:
                return Done(wait)
            counts = ABANDONED.count(counted, counter, now)
            return Done(0, (outlived(client, now), counts, Insert(row)))

        wait = (await self.store.run((counted,), decide)).answer
        if wait:
            raise too_many(wait)
        return request_uri(token)

    async def _kept(self, client: Client, token: Opaque) -> Sent | None:
        if token.tenant_id != client.tenant_id:
            return None
        row = await self.store.get(pushed_ref(token.tenant_id, token.id))
        if row is None or row.client_id != client.id or self.clock.now() >= row.expires_at:
            return None
        shown = digest(self.keys.of(client.tenant_id).digest_key, token.encode())
        if not same(row.digest, shown):
            return None
        way = {"pushed": row.id, "kept": True, "signed": row.signed}
        return sent_from_json({**row.form, **way})

    # Of clients that anybody can speak for

    def _seal(self, client: Client, sent: Sent) -> str:
        data = {
            **form_to_json(sent.form),
            "pushed": self.mint.id("par"),
            "kept": False,
            "signed": sent.signed,
            "exp": self.clock.now() + LIFETIME,
        }
        body = json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()
        packed = zlib.compress(body, 9, -15)
        sealed = self.keys.seal(client.tenant_id, "seal", packed, _aad(client))
        return URN + _text(sealed)

    def _open(self, client: Client, text: str) -> Sent | None:
        try:
            sealed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
            if _text(sealed) != text:  # one text for each value, so that none has a twin
                return None
            packed = self.keys.open(client.tenant_id, "seal", sealed, _aad(client))
        except (NotBase64, Unsealable, ValueError):
            return None
        data: dict[str, Any] = json.loads(zlib.decompress(packed, -15))
        return sent_from_json(data) if self.clock.now() < data["exp"] else None


def _text(sealed: bytes) -> str:
    return urlsafe_b64encode(sealed).rstrip(b"=").decode()


def _aad(client: Client) -> bytes:
    return f"pushed request\0{client.id}".encode()
