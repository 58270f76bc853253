"""Signs and encrypts what goes to one client or one API: JWS, or JWE around it (RFC 7519 §11.2)."""

import asyncio
from collections.abc import Mapping
from typing import Any

from safeconduct.core.errors import OAuthError
from safeconduct.core.model import Client, TenantId
from safeconduct.core.signed_response import PLAIN, Protection
from safeconduct.ports.keyring import Keyring, Signer
from safeconduct.services.client_keys import ClientKeys
from safeconduct.services.keys import Keys

SLOW_ALGORITHMS = ("RS256", "PS256")  # 300 µs and more a signature: not on the event loop


class Answers:
    def __init__(self, *, keys: Keys, client_keys: ClientKeys, keyring: Keyring) -> None:
        self.keys, self.client_keys, self.keyring = keys, client_keys, keyring

    async def signer(self, tenant_id: TenantId, alg: str | None) -> Signer:
        """The key for this algorithm, made now if the tenant has none yet."""
        return await self.keys.signer(tenant_id, alg)

    async def seal(
        self, client: Client, claims: Mapping[str, Any], typ: str, how: Protection = PLAIN
    ) -> str:
        """Signed, and encrypted to the client's key if its registration asks for that."""
        text = await signed(await self.signer(client.tenant_id, how.alg), claims, typ)
        if how.encryption is None or how.content is None:
            return text
        jwk = await self.client_keys.encrypting(client, how.encryption)
        if jwk is None:
            raise OAuthError(
                "server_error",
                "the client has no key to encrypt to",
                rule="client.encryption_key",
                rfc="7591#2",
            )
        header = {"cty": "JWT", "typ": typ}
        return await asyncio.to_thread(
            self.keyring.encrypt,
            text.encode(),
            jwk,
            alg=how.encryption,
            enc=how.content,
            header=header,
        )


async def signed(signer: Signer, claims: Mapping[str, Any], typ: str) -> str:
    """A compact JWS; slow algorithms in a thread."""
    if signer.algorithm in SLOW_ALGORITHMS:
        return await asyncio.to_thread(signer.sign, claims, typ=typ)
    return signer.sign(claims, typ=typ)
