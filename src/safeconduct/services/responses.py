"""Authorization responses on their way out: as they are, or signed and encrypted (JARM)."""

from safeconduct.core.authorize import Answer
from safeconduct.core.jarm import claims_of, secured
from safeconduct.core.response_mode import is_signed
from safeconduct.core.signed_response import authorization
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

    async def sent(self, answer: Answer) -> Answer:
        """The response in the form that its request asked for."""
        if not is_signed(answer.target.mode):
            return answer
        client = await self.clients.find(answer.target.client_id)
        assert client is not None  # whose target this is
        claims = claims_of(answer, self.realms.issuer(client.tenant_id), self.clock.now())
        return secured(answer, await self.answers.seal(client, claims, TYP, authorization(client)))
