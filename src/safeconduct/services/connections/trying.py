"""Tries at the provider what somebody brought, before any of it is kept.

fields ─▶ [token endpoint, in modes with a token] ─▶ [identity] ─▶ whose account, and its secret
"""

from collections.abc import Mapping

from safeconduct.core.credentials import Answer
from safeconduct.core.errors import ProviderError
from safeconduct.core.model import TenantId
from safeconduct.core.secret import Secret
from safeconduct.core.upstream import flow
from safeconduct.core.upstream.brought import own_account
from safeconduct.core.upstream.flow import Account, Registration, Tokens
from safeconduct.core.upstream.keys import pack
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.outbound import Outbound
from safeconduct.services.connections.asking import asking, renewing
from safeconduct.services.connections.attach import Obtained
from safeconduct.services.connections.outcomes import answer_of
from safeconduct.services.connections.providers import Ready
from safeconduct.services.vault import TokenPair, Vault

REFUSED = "invalid_credentials"
"""The provider does not know these keys, or does not let them do what is needed."""


class Trying:
    def __init__(self, *, vault: Vault, outbound: Outbound, clock: Clock, mint: Mint) -> None:
        self.vault, self.outbound, self.clock, self.mint = vault, outbound, clock, mint

    async def tried(
        self,
        tenant_id: TenantId,
        ready: Ready,
        fields: Mapping[str, str],
        ends_at: int | None = None,
    ) -> tuple[Obtained, Account]:
        """`ProviderError`, with code `invalid_credentials` where what was brought is at fault.

        `ends_at`: when what was brought ends, as its owner says.
        """
        packed = pack(fields)
        pair = TokenPair(packed, packed)  # as yet there is no token
        ours = asking(ready, pair)
        try:
            if ready.provider.dialect is None:
                account = await self._account(ready, ours, packed)
                return self.kept(tenant_id, packed, ends_at), account
            tokens = await self._token(ready, pair)
            account = await self._account_of(ready, ours, tokens, fields)
        except ProviderError as error:
            raise _judged(error) from None
        return self._renewed(tenant_id, ready, packed, tokens, ends_at), account

    async def _token(self, ready: Ready, pair: TokenPair) -> Tokens:
        said = await self.outbound.send(await renewing(ready, pair, self.clock, self.mint))
        return flow.read_token_response(
            ready.provider, said.status, said.headers, said.body, self.clock.now()
        )

    async def _account_of(
        self, ready: Ready, ours: Registration, tokens: Tokens, fields: Mapping[str, str]
    ) -> Account:
        if ready.provider.identity is not None:
            return await self._account(ready, ours, tokens.access_token)
        if tokens.account_id is not None:
            return Account(tokens.account_id, tokens.account_name)
        return own_account(ready.provider, fields)

    async def _account(self, ready: Ready, ours: Registration, secret: Secret) -> Account:
        """Whose account it is, in the provider's own words."""
        request = flow.identity_request(ready.provider, ours, access_token=secret)
        assert request is not None, "an entry whose credential is typed in has an identity call"
        said = await self.outbound.send(request)
        return flow.read_identity(
            ready.provider, said.status, said.headers, said.body, self.clock.now()
        )

    def kept(self, tenant_id: TenantId, packed: Secret, ends_at: int | None = None) -> Obtained:
        """What was typed in is the credential itself: it does not age, but may end, and is looked
        at when it does, so that its end is told.
        """
        pair = TokenPair(packed)

        def sealed_for(owner: str) -> Answer:
            return Answer(
                sealed=self.vault.seal_tokens(tenant_id, owner, pair),
                obtained_at=self.clock.now(),
                expires_at=ends_at,
                refresh_at=ends_at,
                refreshable=False,
                ends_at=ends_at,
            )

        return Obtained(pair, sealed_for)

    def _renewed(
        self,
        tenant_id: TenantId,
        ready: Ready,
        packed: Secret,
        tokens: Tokens,
        ends_at: int | None,
    ) -> Obtained:
        """What was brought lies where a refresh token does: it is presented for the next token."""
        pair = TokenPair(tokens.access_token, packed)

        def sealed_for(owner: str) -> Answer:
            return answer_of(
                ready.provider,
                tokens,
                self.vault.seal_tokens(tenant_id, owner, pair),
                refresh_token=packed,
                ends_at=ends_at,
                now=self.clock.now(),
                jitter=int(self.mint.digits(4)) / 10_000,
            )

        return Obtained(pair, sealed_for)


def _judged(error: ProviderError) -> ProviderError:
    """A provider that answered, and does not take what was brought, is not out of order."""
    said_no = error.status is not None and 400 <= error.status < 500 and error.status != 429
    if error.remedy != "reconnect" and not said_no:
        return error
    return ProviderError(
        REFUSED, remedy="reconnect", status=error.status, sent=error.sent, detail=error.detail
    )
