"""Tells the apps of a session that it is over (OpenID Connect Front- and Back-Channel Logout 1.0).

    sign-out ─▶ logout.session ─▶ logout.deliver, one for each app ─▶ POST logout_token

The first job is written in the transaction that ends the session, so no sign-out is forgotten; each
app is then told by a job of its own, so that one which does not answer holds up no other.
"""

from collections.abc import Mapping, Sequence

from safeconduct.core.jobs import Failed, Outcome, job
from safeconduct.core.logout import TYP, Frame, Over, frame_of, logout_token, told
from safeconduct.core.model import Client, Job, TenantId
from safeconduct.core.pairwise import subject_name
from safeconduct.core.sessions import FAREWELL, SignedIn, session_ref
from safeconduct.core.signed_response import PLAIN, protection
from safeconduct.core.unit import Done, Insert
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.outbound import Outbound, OutboundRequest
from safeconduct.ports.store import Store
from safeconduct.services.answers import Answers
from safeconduct.services.clients import Clients
from safeconduct.services.keys import Keys
from safeconduct.services.realms import Realms

__all__ = ["DELIVER", "FAREWELL", "Farewells"]

DELIVER = "logout.deliver"
TIMEOUT_S = 5.0
MAX_ANSWER = 4_096


class Farewells:
    def __init__(
        self,
        *,
        store: Store,
        keys: Keys,
        clock: Clock,
        mint: Mint,
        clients: Clients,
        answers: Answers,
        outbound: Outbound,
        realms: Realms,
    ) -> None:
        self.store, self.keys, self.clock, self.mint = store, keys, clock, mint
        self.answers = answers
        self.clients, self.outbound, self.realms = clients, outbound, realms

    async def frames(self, who: SignedIn) -> list[Frame]:
        """What the browser itself has to load so that apps end their sessions in it."""
        over = Over(who.tenant_id, who.user_id, who.sid)
        issuer = self.realms.issuer(who.tenant_id)
        found = [frame_of(client, over, issuer) for client in await self._apps(over)]
        return [frame for frame in found if frame is not None]

    async def begin(self, row: Job) -> Outcome:
        """The job `logout.session`: one more job for each app that wants to be told."""
        over = await self._over(row)
        if over is None:
            return None
        apps = [app for app in await self._apps(over) if app.metadata.get("backchannel_logout_uri")]
        about = {"user": over.user_id, "sid": over.sid}
        jobs = [Insert(self._delivery(row.tenant_id, app, about)) for app in apps]
        await self.store.run((), lambda _: Done(None, jobs))
        return None

    def _delivery(self, tenant_id: TenantId, app: Client, about: Mapping[str, str | None]) -> Job:
        id, now = self.mint.id("job"), self.clock.now()
        return job(id, tenant_id, DELIVER, id, now, {"client": app.id, **about})

    async def deliver(self, row: Job) -> Outcome:
        """The job `logout.deliver`: a fresh logout token for one app (Back-Channel §2.5)."""
        client = await self.clients.find(row.payload["client"], row.tenant_id)
        uri = client.metadata.get("backchannel_logout_uri") if client else None
        if client is None or not uri or client.tenant_id != row.tenant_id:
            return None
        over = Over(row.tenant_id, row.payload["user"], row.payload.get("sid"))
        claims = logout_token(
            over,
            client,
            subject_name(client, over.user_id, self.keys.of(row.tenant_id).key("subject")),
            issuer=self.realms.issuer(row.tenant_id),
            jti=self.mint.id("lgt"),
            now=self.clock.now(),
        )
        # §2.4: signed as its ID tokens are; encryption would hide nothing that they do not say
        how = protection(client, "id_token") or PLAIN
        token = await self.answers.seal(client, claims, TYP, how)
        answer = await self.outbound.send(
            OutboundRequest(
                method="POST",
                url=uri,
                form={"logout_token": token},
                timeout_s=TIMEOUT_S,
                max_bytes=MAX_ANSWER,
            )
        )
        if answer.status in (200, 204):
            return None
        # §2.8: 400 says that the app understood the request and will not do it
        return Failed(f"status_{answer.status}", final=answer.status == 400)

    async def _over(self, row: Job) -> Over | None:
        if "user" in row.payload:
            return Over(row.tenant_id, row.payload["user"], None)
        session = await self.store.get(session_ref(row.tenant_id, row.payload["session"]))
        return None if session is None else Over.of(session)

    async def _apps(self, over: Over) -> Sequence[Client]:
        families = await self.store.find(over.authorizations)
        found = [await self.clients.find(id, over.tenant_id) for id in told(families)]
        return [app for app in found if app is not None and app.tenant_id == over.tenant_id]
