"""A key in place of a token: whose account it is, and a key, asked for while the token lives.

The token is thrown away or given back, as the entry says; a key that was made for nothing is given
back where a provider lets one do that.
"""

from dataclasses import dataclass, field, replace

from safeconduct.core.errors import ProviderError
from safeconduct.core.model import Attempt
from safeconduct.core.secret import Secret
from safeconduct.core.upstream import minting
from safeconduct.core.upstream.flow import Account, Tokens
from safeconduct.ports.clock import Clock
from safeconduct.ports.outbound import Outbound
from safeconduct.services.connections.attach import Held, Obtained
from safeconduct.services.connections.exchanges import (
    Abandoned,
    CodeExchange,
    asked,
    lasting,
)
from safeconduct.services.connections.providers import Ready
from safeconduct.services.vault import TokenPair, Vault

MODE = "oauth2_yields_api_key"


@dataclass(frozen=True, slots=True)
class Minting:
    codes: CodeExchange = field(kw_only=True)
    vault: Vault = field(kw_only=True)
    outbound: Outbound = field(kw_only=True)
    clock: Clock = field(kw_only=True)

    async def exchange(
        self, attempt: Attempt, code: Secret, ready: Ready
    ) -> tuple[Obtained, Account]:
        tokens = await self.codes.tokens(attempt, code, ready.by("oauth2_code"))
        leftover = _leftover(ready, tokens)
        try:
            account = await self._account(ready, tokens)
            key = await self._key(ready, tokens)
        except ProviderError as error:
            raise Abandoned(error, [leftover] if leftover else []) from None
        try:
            account = account or await self._owner(ready, key)
        except ProviderError as error:
            made = Held(MODE, TokenPair(key))
            raise Abandoned(error, [made, leftover] if leftover else [made]) from None
        obtained = lasting(self.vault, attempt, key, self.clock.now())
        return replace(obtained, leftover=leftover), account

    async def _account(self, ready: Ready, tokens: Tokens) -> Account | None:
        request = minting.identity_request(ready.provider, ready.registration, tokens.access_token)
        if request is None:
            return None
        said = await self.outbound.send(request)
        return minting.read_identity(
            ready.provider, said.status, said.headers, said.body, self.clock.now()
        )

    async def _key(self, ready: Ready, tokens: Tokens) -> Secret:
        request = minting.key_request(ready.provider, ready.registration, tokens.access_token)
        said = await self.outbound.send(request)
        return minting.read_key(
            ready.provider, said.status, said.headers, said.body, self.clock.now()
        )

    async def _owner(self, ready: Ready, key: Secret) -> Account:
        found = await asked(self.outbound, self.clock, ready, key)
        assert found is not None, "an entry that yields keys has an identity call"
        return found


def _leftover(ready: Ready, tokens: Tokens) -> Held | None:
    if minting.yields(ready.provider).token == "discard":
        return None
    return Held("oauth2_code", TokenPair(tokens.access_token, tokens.refresh_token))
