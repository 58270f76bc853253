"""Authorization responses on their way out: as they are, or signed and encrypted (JARM)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from safeconduct.core.authorize import Answer
from safeconduct.core.hybrid import hash_claims
from safeconduct.core.jarm import claims_of, secured
from safeconduct.core.model import Client, TenantId
from safeconduct.core.response_mode import is_signed
from safeconduct.core.signed_response import PLAIN, authorization, protection
from safeconduct.ports.clock import Clock
from safeconduct.services.answers import Answers
from safeconduct.services.authorize import FindsClients
from safeconduct.services.realms import Realms

TYP = "JWT"


class Responses:
    def __init__(
        self, *, answers: Answers, clock: Clock, clients: FindsClients, realms: Realms
    ) -> None:
        self.answers, self.clock, self.clients, self.realms = answers, clock, clients, realms

    async def sent(self, answer: Answer, tenant_id: TenantId) -> Answer:
        """The response in the form that its request asked for."""
        if not is_signed(answer.target.mode) and answer.id_claims is None:
            return answer
        client = await self.clients.find(answer.target.client_id, tenant_id)
        assert client is not None  # whose target this is
        if answer.id_claims is not None:
            id_token = await self._id_token(client, answer, answer.id_claims)
            answer = replace(answer, parameters={**answer.parameters, "id_token": id_token})
        if not is_signed(answer.target.mode):
            return answer
        claims = claims_of(answer, self.realms.issuer(client.tenant_id), self.clock.now())
        return secured(answer, await self.answers.seal(client, claims, TYP, authorization(client)))

    async def _id_token(self, client: Client, answer: Answer, claims: Mapping[str, Any]) -> str:
        how = protection(client, "id_token") or PLAIN
        signer = await self.answers.signer(client.tenant_id, how.alg)
        bound = hash_claims(dict(answer.parameters), signer.algorithm)
        return await self.answers.seal(client, {**claims, **bound}, TYP, how)
