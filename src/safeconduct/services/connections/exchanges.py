"""Between the two units of linking: what the provider gives for what came back with the browser.

    oauth2_code             code ─▶ tokens ─▶ ID token? ─▶ whose account?          here
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
from safeconduct.core.jws import Jws
from safeconduct.core.model import Attempt
from safeconduct.core.secret import Secret
from safeconduct.core.upstream import flow
from safeconduct.core.upstream.answers import ONLY_ACCOUNT
from safeconduct.core.upstream.api import filled
from safeconduct.core.upstream.dialect import OPENID, IdTokens
from safeconduct.core.upstream.flow import Account, Tokens
from safeconduct.core.upstream.id_token import InvalidIdToken, agreed, judge, read_id_token
from safeconduct.core.upstream.provider import Provider
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.outbound import Outbound
from safeconduct.services.client_keys import ClientKeys
from safeconduct.services.connections.attach import Held, Obtained
from safeconduct.services.connections.outcomes import answer_of
from safeconduct.services.connections.providers import Ready
from safeconduct.services.connections.verifiers import open_verifier
from safeconduct.services.vault import TokenPair, Vault


@dataclass(frozen=True, slots=True)
class Published:
    """The keys of an issuer, at the address that its entry pins."""

    jwks_uri: str
    jwks: None = None


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
    client_keys: ClientKeys

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
        pair = TokenPair(tokens.access_token, tokens.refresh_token)
        try:
            named = await self._named(attempt, ready, tokens)
            account = await self._account(ready, tokens, named)
        except InvalidIdToken as error:
            raise Abandoned(error, [Held(attempt.auth_mode, pair)]) from None
        return (
            Obtained(pair, lambda owner: self._answer(attempt, owner, ready.provider, tokens)),
            account,
        )

    async def _named(self, attempt: Attempt, ready: Ready, tokens: Tokens) -> Account | None:
        """Whom the ID token names; None where the entry asks for none."""
        rules = ready.provider.oauth2.id_token
        if rules is None or OPENID not in attempt.scope:
            return None
        jws = read_id_token(tokens.id_token)
        named = judge(
            jws,
            algorithms=rules.algorithms,
            issuer=attempt.issuer or ready.provider.oauth2.issuer or "",
            client_id=ready.registration.client_id,
            # A device has no browser to bind: its codes came from the provider and went back there
            nonce=None if attempt.auth_mode == "oauth2_device" else attempt.nonce or "",
            access_token=tokens.access_token,
            now=self.clock.now(),
        )
        if not await self._signed(rules, ready, jws):
            raise InvalidIdToken("signature")
        return named

    async def _signed(self, rules: IdTokens, ready: Ready, jws: Jws) -> bool:
        if jws.alg == "HS256":  # only where the entry says so: `judge` has looked
            secret = ready.registration.client_secret
            return secret is not None and self.client_keys.keyring.check_hmac(
                secret.reveal().encode(), jws.alg, jws.message, jws.signature
            )
        if rules.jwks_uri is None:
            return False
        at = filled(ready.provider, rules.jwks_uri, ready.registration.values)
        return await self.client_keys.verified(Published(at), jws)

    async def _account(self, ready: Ready, tokens: Tokens, named: Account | None) -> Account:
        found = await asked(self.outbound, self.clock, ready, tokens.access_token)
        if named is not None:
            return agreed(named, found)
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
