"""Between the two units of linking: what the provider gives for what came back with the browser.

    oauth2_code             code ─▶ tokens ─▶ whose account?                       here
    oauth1                  verifier ─▶ token credentials ─▶ whose account?        `signing`
    oauth2_yields_api_key   code ─▶ token ─▶ whose account? ─▶ key                 `minting`

Nothing is written here. What fails is a `ProviderError`; `Abandoned` if something was given before
it failed that should be given back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from safeconduct.core.credentials import Answer
from safeconduct.core.errors import ProviderError
from safeconduct.core.model import Attempt
from safeconduct.core.secret import Secret
from safeconduct.core.upstream import flow
from safeconduct.core.upstream.answers import ONLY_ACCOUNT
from safeconduct.core.upstream.flow import Account, Tokens
from safeconduct.core.upstream.provider import Provider
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.outbound import Outbound
from safeconduct.services.connections.attach import Held, Obtained
from safeconduct.services.connections.outcomes import answer_of
from safeconduct.services.connections.providers import Ready
from safeconduct.services.connections.verifiers import open_verifier
from safeconduct.services.vault import TokenPair, Vault


class Exchange(Protocol):
    """One way to turn what came back into a secret and an account."""

    async def exchange(
        self, attempt: Attempt, code: Secret, ready: Ready
    ) -> tuple[Obtained, Account]: ...


class Abandoned(Exception):
    """It failed half-way: `held` is what the provider had given by then."""

    def __init__(self, error: ProviderError, held: Sequence[Held]) -> None:
        super().__init__(error.code)
        self.error, self.held = error, held


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeExchange:
    """RFC 6749 §4.1.3."""

    vault: Vault
    outbound: Outbound
    clock: Clock
    mint: Mint

    async def exchange(
        self, attempt: Attempt, code: Secret, ready: Ready
    ) -> tuple[Obtained, Account]:
        return await self.of_tokens(attempt, ready, await self.tokens(attempt, code, ready))

    async def tokens(self, attempt: Attempt, code: Secret, ready: Ready) -> Tokens:
        verifier = await open_verifier(self.vault, attempt)
        request = flow.token_request(
            ready.provider,
            ready.registration,
            code=code,
            redirect_uri=attempt.redirect_uri,
            code_verifier=verifier.reveal() if verifier else None,
            pinned=attempt.token_endpoint,
        )
        said = await self.outbound.send(request)
        return flow.read_token_response(
            ready.provider, said.status, said.headers, said.body, self.clock.now()
        )

    async def of_tokens(
        self, attempt: Attempt, ready: Ready, tokens: Tokens
    ) -> tuple[Obtained, Account]:
        """Tokens that are there: whose account they are, and how they become a credential."""
        account = await self._account(ready, tokens)
        pair = TokenPair(tokens.access_token, tokens.refresh_token)
        return (
            Obtained(pair, lambda owner: self._answer(attempt, owner, ready.provider, tokens)),
            account,
        )

    async def _account(self, ready: Ready, tokens: Tokens) -> Account:
        found = await asked(self.outbound, self.clock, ready, tokens.access_token)
        if found is not None:
            return found
        if tokens.account_id is None and ready.provider.oauth2.answer.account_id is None:
            return ONLY_ACCOUNT
        if tokens.account_id is None:
            raise ProviderError("malformed_answer", remedy="retry", detail="no account id")
        return Account(tokens.account_id, tokens.account_name)

    def _answer(self, attempt: Attempt, owner: str, provider: Provider, tokens: Tokens) -> Answer:
        secret = TokenPair(tokens.access_token, tokens.refresh_token)
        return answer_of(
            provider,
            tokens,
            self.vault.seal_tokens(attempt.tenant_id, owner, secret),
            refresh_token=tokens.refresh_token,
            ends_at=tokens.ends_at,
            now=self.clock.now(),
            jitter=int(self.mint.digits(4)) / 10_000,
        )


async def asked(outbound: Outbound, clock: Clock, ready: Ready, secret: Secret) -> Account | None:
    """Whose account it is, in the words of the entry's identity call; None if it has none."""
    request = flow.identity_request(ready.provider, ready.registration, access_token=secret)
    if request is None:
        return None
    said = await outbound.send(request)
    return flow.read_identity(ready.provider, said.status, said.headers, said.body, clock.now())


def lasting(
    vault: Vault, attempt: Attempt, secret: Secret, now: int, expires_at: int | None = None
) -> Obtained:
    """A secret that nothing renews. One that ends is looked at when it does, so that it is told."""
    pair = TokenPair(secret)

    def sealed_for(owner: str) -> Answer:
        return Answer(
            sealed=vault.seal_tokens(attempt.tenant_id, owner, pair),
            obtained_at=now,
            expires_at=expires_at,
            refresh_at=expires_at,
            refreshable=False,
            ends_at=expires_at,
        )

    return Obtained(pair, sealed_for)
