"""RFC 5849 §2, both halves: temporary credentials before the browser leaves, token credentials
when it is back.

The temporary secret lies sealed in the attempt, where a code verifier would; the temporary token,
which travels, as a digest that the callback must match.
"""

from dataclasses import dataclass, field, replace

from safeconduct.core.attempts import attempt_ref
from safeconduct.core.model import Attempt
from safeconduct.core.secret import Secret, digest
from safeconduct.core.unit import Done, Update
from safeconduct.core.upstream import oauth1_flow
from safeconduct.core.upstream.answers import ONLY_ACCOUNT
from safeconduct.core.upstream.api import TOKEN
from safeconduct.core.upstream.flow import Account
from safeconduct.core.upstream.keys import unpack
from safeconduct.ports.clock import Clock
from safeconduct.ports.outbound import Outbound
from safeconduct.ports.store import Store
from safeconduct.services.connections.attach import Obtained
from safeconduct.services.connections.exchanges import asked, lasting
from safeconduct.services.connections.providers import Ready
from safeconduct.services.connections.verifiers import open_verifier, seal_verifier
from safeconduct.services.keys import Keys
from safeconduct.services.vault import Vault


@dataclass(frozen=True, slots=True)
class Signing:
    store: Store = field(kw_only=True)
    keys: Keys = field(kw_only=True)
    vault: Vault = field(kw_only=True)
    outbound: Outbound = field(kw_only=True)
    clock: Clock = field(kw_only=True)

    async def begin(self, attempt: Attempt, ready: Ready, callback: str) -> tuple[Attempt, str]:
        """The attempt with what has to come back, and where to send the browser."""
        request = oauth1_flow.temporary_request(ready.provider, ready.registration, callback)
        said = await self.outbound.send(request)
        temporary = oauth1_flow.read_temporary(
            ready.provider, said.status, said.headers, said.body, self.clock.now()
        )
        bound = self._bound(attempt, temporary)
        await self.store.run((), lambda _: Done(None, (self._written(bound),)))
        url = oauth1_flow.authorization_url(ready.provider, ready.registration, temporary)
        return bound, url

    def _bound(self, attempt: Attempt, temporary: Secret) -> Attempt:
        key = self.keys.of(attempt.tenant_id).digest_key
        text = temporary.reveal()
        return replace(
            attempt,
            code_verifier=seal_verifier(self.vault, attempt.tenant_id, attempt.id, text),
            token_digest=digest(key, unpack(temporary)[TOKEN]),
        )

    def _written(self, bound: Attempt) -> Update:
        columns = {"code_verifier": bound.code_verifier, "token_digest": bound.token_digest}
        return Update(attempt_ref(bound.tenant_id, bound.id), columns)

    async def exchange(
        self, attempt: Attempt, code: Secret, ready: Ready
    ) -> tuple[Obtained, Account]:
        temporary = await open_verifier(self.vault, attempt)
        assert temporary is not None, "an attempt whose token came back has its secret"
        request = oauth1_flow.token_request(
            ready.provider,
            ready.registration,
            temporary=temporary,
            verifier=code,
            pinned=attempt.token_endpoint,
        )
        said = await self.outbound.send(request)
        given = oauth1_flow.read_token(
            ready.provider, said.status, said.headers, said.body, self.clock.now()
        )
        account = given.account or await self._account(ready, given.packed)
        obtained = lasting(self.vault, attempt, given.packed, given.obtained_at, given.expires_at)
        return obtained, account

    async def _account(self, ready: Ready, packed: Secret) -> Account:
        return await asked(self.outbound, self.clock, ready, packed) or ONLY_ACCOUNT
