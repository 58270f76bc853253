"""Secrets of clients: a digest of each, and of a client with `client_secret_jwt` the secret too.

An HMAC can only be checked by whoever has the key, so these few lie in the vault; a client that
sends its secret never gives us a reason to keep it.
"""

from collections.abc import Sequence

from safeconduct.core.model import Client, ClientSecret
from safeconduct.core.secret import Opaque, Secret, digest
from safeconduct.core.unit import Delete, Ref, Update, Write
from safeconduct.ports.clock import Clock, Mint
from safeconduct.services.keys import Keys
from safeconduct.services.vault import Vault

MAX_SECRETS = 2
SEALED = ("client_secrets", "secret")  # table and purpose, for the vault


class ClientSecrets:
    def __init__(self, *, keys: Keys, clock: Clock, mint: Mint) -> None:
        self.keys, self.clock, self.mint, self.vault = keys, clock, mint, Vault(keys)

    def new(self, client: Client) -> tuple[Secret, ClientSecret]:
        """A new secret and its row."""
        id, tenant_id = self.mint.id("sec"), client.tenant_id
        text = Opaque("cs", tenant_id, id, self.mint.secret()).encode()
        sealed = None
        if client.token_endpoint_auth_method == "client_secret_jwt":
            table, purpose = SEALED
            sealed = self.vault.seal(tenant_id, id, text.encode(), table=table, purpose=purpose)
        row = ClientSecret(
            tenant_id=tenant_id,
            client_id=client.id,
            id=id,
            digest=digest(self.keys.of(tenant_id).digest_key, text),
            suffix=text[-4:],
            created_at=self.clock.now(),
            expires_at=None,
            sealed=sealed,
        )
        return Secret(text), row

    async def readable(self, rows: Sequence[ClientSecret]) -> list[bytes]:
        """The live ones among them that can be read."""
        now, (table, purpose) = self.clock.now(), SEALED
        return [
            await self.vault.fetch(row.tenant_id, row.id, row.sealed, table=table, purpose=purpose)
            for row in rows
            if row.sealed is not None and (row.expires_at is None or now < row.expires_at)
        ]

    def retire(self, rows: Sequence[ClientSecret], overlap_ms: int) -> list[Write]:
        """What becomes of those that were there before: one lives on for a while, no more."""
        writes: list[Write] = []
        end = self.clock.now() + overlap_ms
        newest_first = sorted(rows, key=lambda row: row.id, reverse=True)
        for position, row in enumerate(newest_first):
            if position >= MAX_SECRETS - 1:
                writes.append(Delete(secret_ref(row)))
            elif row.expires_at is None or row.expires_at > end:
                writes.append(Update(secret_ref(row), {"expires_at": end}))
        return writes


def secret_ref(row: ClientSecret) -> Ref[ClientSecret]:
    return Ref(ClientSecret, tenant_id=row.tenant_id, client_id=row.client_id, id=row.id)
