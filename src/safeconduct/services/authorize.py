"""Authorization requests, from their arrival to the code (RFC 6749 §4.1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from safeconduct.core.accounts import accounts_of, offered, picked
from safeconduct.core.acr import MULTI, PHISHING_RESISTANT, meets
from safeconduct.core.authorize import (
    Answer,
    Ask,
    Page,
    Step,
    access_denied,
    find_target,
    next_step,
    read,
    required,
    unmet,
    without_account,
)
from safeconduct.core.client_document import adopted
from safeconduct.core.consent import Making, denial, give, grant_of
from safeconduct.core.errors import OAuthError, invalid_request
from safeconduct.core.flow_state import Pending
from safeconduct.core.form import Form
from safeconduct.core.hybrid import front_claims, wants_id_token
from safeconduct.core.model import Account, Client, Grant, TenantId
from safeconduct.core.ownership import is_open_to, not_approved
from safeconduct.core.pairwise import is_pairwise, subject_name
from safeconduct.core.par import ABANDONED
from safeconduct.core.passkeys import passkeys_of
from safeconduct.core.policy import policy_of
from safeconduct.core.sent_request import Sent
from safeconduct.core.session_management import session_state
from safeconduct.core.sessions import SignedIn, alive, session_ref
from safeconduct.core.unit import Done, Facts, Read, Ref
from safeconduct.core.users import user_ref
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store
from safeconduct.services.keys import Keys
from safeconduct.services.realms import Realms
from safeconduct.services.requests import Requests

OVER = Page(
    "flow_expired",
    "This request was already answered or is too old. Go back to the app and start again.",
    rule="flow.spent",
)


SOMEBODY_ELSE = ""
"""No user has this id."""

NO_PICKS: Mapping[str, str] = {}


class FindsClients(Protocol):
    async def find(self, client_id: str, at: TenantId) -> Client | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Show:
    """The person is needed. `pending` goes with them; the rest is for the page."""

    step: Step
    pending: Pending
    ask: Ask
    client: Client
    grant: Grant | None
    offer: Sequence[Account] = ()  # to choose from, where the profile binds accounts


Outcome = Show | Answer | Page
_Sound = tuple[Client, Ask]


@dataclass(frozen=True, slots=True)
class _Made:
    code: str = field(repr=False)


class Authorize:
    def __init__(
        self,
        *,
        store: Store,
        keys: Keys,
        clients: FindsClients,
        clock: Clock,
        mint: Mint,
        requests: Requests,
        realms: Realms,
    ) -> None:
        self.store, self.keys, self.clients = store, keys, clients
        self.clock, self.mint, self.requests = clock, mint, requests
        self.realms = realms

    async def begin(
        self, tenant_id: TenantId, form: Form, who: SignedIn | None, *, connect: bool = False
    ) -> Outcome:
        """A request that has just come. Nothing is written unless it ends in a code at once.

        `connect`: it does not end before `leave`; until then the person links accounts.
        """
        client = await self.clients.find(form.get("client_id", ""), tenant_id)
        if client is None or client.tenant_id != tenant_id:
            target = find_target(form, None)
            return target if isinstance(target, Page) else OVER
        sent = await self.requests.open(form, client)
        if not isinstance(sent, Sent):
            return sent
        session_id = who.session_id if who else None
        id, now = self.mint.id("flw"), self.clock.now()
        pending = Pending.new(tenant_id, id, sent, now, session_id, connect=connect)
        return await self.resume(pending, who)

    async def resume(self, pending: Pending, who: SignedIn | None) -> Outcome:
        """Where the request stands now: the next page, the code, or an error."""
        return await self._answer(pending, who, consented=pending.agreed_by(who))

    async def allow(
        self, pending: Pending, who: SignedIn | None, picks: Mapping[str, str] = NO_PICKS
    ) -> Outcome:
        """The person said yes on the consent page, and picked these accounts there, if any."""
        return await self._answer(replace(pending, picks=picks), who, consented=True)

    async def leave(self, pending: Pending, who: SignedIn | None) -> Outcome:
        """The person is done with linking accounts: now the code is made."""
        consented = pending.agreed_by(who)
        return await self._answer(pending, who, consented=consented, leaving=True)

    async def deny(self, pending: Pending, who: SignedIn | None) -> Outcome:
        """The person said no, on the consent page or before signing in."""
        sound = await self._read(pending)
        if not isinstance(sound, tuple):
            return sound
        client, ask = sound
        error = access_denied()
        told = ask.target.error(self.realms.issuer(client.tenant_id), error)
        if who is None or who.tenant_id != client.tenant_id:
            return told
        now, refs = self.clock.now(), pending.refs(client.tenant_id)
        error.id = self.mint.id("evt")
        record = denial(error.id, client, who, ask, self.clock.now())

        def decide(facts: Facts) -> Done[bool]:
            if pending.is_spent(facts, client.tenant_id, now):
                return Done(False)
            return Done(True, (*pending.spend(facts, client.tenant_id), record))

        return told if (await self.store.run(refs, decide)).answer else OVER

    async def describe(self, pending: Pending) -> _Sound | Answer | Page:
        """The client and what it asks for, for the pages before consent."""
        return await self._read(pending)

    async def _read(self, pending: Pending, who: SignedIn | None = None) -> _Sound | Answer | Page:
        client = await self.clients.find(pending.form.get("client_id", ""), pending.tenant_id)
        return self._judge(pending, client, who)

    def _judge(
        self, pending: Pending, client: Client | None, who: SignedIn | None
    ) -> _Sound | Answer | Page:
        sent, form = pending.sent, pending.form
        if client is not None and client.tenant_id != pending.tenant_id:
            client = None  # the clients of one tenant are unknown at another
        target = find_target(form, client)
        if client is None or isinstance(target, Page):
            return target if isinstance(target, Page) else OVER
        issuer = self.realms.issuer(client.tenant_id)
        try:
            rules = self.requests.rules_of(client)
            sent.check(client, push=rules.push)
            ask = read(form, target, client, rules)
            if self.realms.of(client.tenant_id).policy.second_factor == "required":
                ask = replace(ask, acr_values=(MULTI,))
            return client, self._meant(ask.for_subject(self._hinted(form, client)), client, who)
        except OAuthError as error:
            return target.error(issuer, error)

    def _hinted(self, form: Form, client: Client) -> str | None:
        """The user of `id_token_hint`, an ID token of ours that may have expired."""
        hint = form.get("id_token_hint")
        if hint is None:
            return None
        try:
            tenant_id, claims = self.keys.verify(hint, typ="JWT")
        except ValueError:
            tenant_id, claims = client.tenant_id, {}
        subject = claims.get("sub")
        if tenant_id != client.tenant_id or not isinstance(subject, str):
            raise invalid_request("id_token_hint is not an ID token of this server", rule="hint")
        return subject

    def _meant(self, ask: Ask, client: Client, who: SignedIn | None) -> Ask:
        """Clients with pairwise subjects name people as they know them (OpenID Connect Core §8):
        whoever is signed in is meant, or somebody else.
        """
        if ask.subject is None or not is_pairwise(client):
            return ask
        key = self.keys.of(client.tenant_id).key("subject")
        mine = who is not None and subject_name(client, who.user_id, key) == ask.subject
        return replace(ask, subject=who.user_id if who is not None and mine else SOMEBODY_ELSE)

    async def _answer(
        self,
        pending: Pending,
        who: SignedIn | None,
        *,
        consented: bool,
        leaving: bool = False,
    ) -> Outcome:
        if who is not None and who.tenant_id != pending.tenant_id:
            who = None
        sound = await self._read(pending, who)
        if not isinstance(sound, tuple):
            return sound
        client, ask = sound
        if who is not None and not is_open_to(client, who.user_id):
            return ask.target.error(self.realms.issuer(client.tenant_id), not_approved())
        grant = await self._grant(client, who)
        step = next_step(ask, client, pending.arrival, who, grant, consented=consented)
        if step is None and who is not None:
            if pending.connect and not leaving:
                stays = pending.agreed(who) if consented else pending
                return self._show("connect", stays, client, ask, grant)
            return await self._give(pending, client, ask, who, consented=consented)
        if who is not None and step == "login" and await self._never(ask, who):
            return ask.target.error(self.realms.issuer(client.tenant_id), unmet())
        offer = await self._offer(client, ask, who)
        if step == "consent" and ask.env is not None and not offer:
            return ask.target.error(self.realms.issuer(client.tenant_id), without_account(ask.env))
        return self._show(step or "login", pending, client, ask, grant, offer)

    def _show(
        self,
        step: Step,
        pending: Pending,
        client: Client,
        ask: Ask,
        grant: Grant | None,
        offer: Sequence[Account] = (),
    ) -> Show | Answer:
        if "none" in ask.prompt:
            return ask.target.error(self.realms.issuer(client.tenant_id), required(step))
        return Show(step=step, pending=pending, ask=ask, client=client, grant=grant, offer=offer)

    async def _offer(self, client: Client, ask: Ask, who: SignedIn | None) -> Sequence[Account]:
        if who is None or not policy_of(client.profile).binds_accounts:
            return ()
        rows = await self.store.find(accounts_of(client.tenant_id, who.user_id))
        return offered(rows, client, ask.env)

    async def _never(self, ask: Ask, who: SignedIn) -> bool:
        """Whether the sign-in asked for needs a password or a passkey, and there is none."""
        if not ask.acr_values or meets(who.acr, ask.acr_values):
            return False
        if await self.store.find(passkeys_of(who.tenant_id, who.user_id, limit=1)):
            return False
        if set(ask.acr_values) == {PHISHING_RESISTANT}:
            return True
        user = await self.store.get(user_ref(who.tenant_id, who.user_id))
        return user is None or user.password_hash is None

    async def _grant(self, client: Client, who: SignedIn | None) -> Grant | None:
        if who is None:
            return None
        found = await self.store.find(grant_of(client, who))
        return found[0] if found else None

    async def _give(
        self, pending: Pending, seen: Client, ask: Ask, who: SignedIn, *, consented: bool
    ) -> Outcome:
        """One unit: the flow is spent, the grant remembered, the code made; or none of it."""
        make, event_id = self._making(seen), self.mint.id("evt")
        client_ref = Ref(Client, tenant_id=seen.tenant_id, id=seen.id)
        user = user_ref(who.tenant_id, who.user_id)
        session = session_ref(who.tenant_id, who.session_id)
        grants = grant_of(seen, who)
        accounts = accounts_of(who.tenant_id, who.user_id)
        binds = policy_of(seen.profile).binds_accounts
        pushed = pending.sent.pushed or ""
        pushes = ABANDONED.ref(make.digest_key, seen.tenant_id, seen.id, pushed)

        def decide(facts: Facts) -> Done[_Made | Step | Page | Answer]:
            here, adoption = adopted(facts.get(client_ref), seen, event_id, make.now)
            sound, row = self._judge(pending, here, who), facts.get(session)
            if not isinstance(sound, tuple):
                return Done(sound)
            over = make.now >= pending.expires_at
            if over or pending.is_spent(facts, seen.tenant_id, make.now):
                return Done(OVER)
            if row is None or not alive(row, facts.get(user), make.now):
                return Done("login")
            client, ask = sound
            if not is_open_to(client, who.user_id):
                return Done(ask.target.error(self.realms.issuer(client.tenant_id), not_approved()))
            grant = next(iter(facts.all(grants)), None)
            step = next_step(ask, client, pending.arrival, who, grant, consented=consented)
            offer = offered(facts.all(accounts), client, ask.env) if binds else ()
            if ask.env is not None and not offer:
                return Done(
                    ask.target.error(self.realms.issuer(client.tenant_id), without_account(ask.env))
                )
            covered = picked(offer, pending.picks)
            if step is not None or covered is None:
                return Done(step or "consent")
            text, writes = give(ask, client, who, grant, make, covered)
            used = ABANDONED.forgive(pushes, facts.get(pushes)) if pending.sent.kept else ()
            return Done(
                _Made(text), (*pending.spend(facts, client.tenant_id), *adoption, *used, *writes)
            )

        reads: tuple[Read, ...] = (client_ref, user, session, grants)
        reads += pending.refs(seen.tenant_id)
        reads += (accounts,) if binds else ()
        reads += (pushes,) if pending.sent.kept else ()
        match (await self.store.run(reads, decide)).answer:
            case _Made(code):
                issuer = self.realms.issuer(seen.tenant_id)
                given = {"code": code, **self._session_state(ask, seen, who)}
                answer = ask.target.answer(issuer, given)
                claims = self._front(ask, seen, who, issuer) if wants_id_token(ask) else None
                return replace(answer, id_claims=claims)
            case Page() | Answer() as told:
                return told
            case step:
                return self._show(step, pending, seen, ask, None, await self._offer(seen, ask, who))

    def _front(self, ask: Ask, client: Client, who: SignedIn, issuer: str) -> Mapping[str, Any]:
        """OpenID Connect Core §3.3: the ID token that goes beside the code."""
        key = self.keys.of(client.tenant_id).key("subject")
        return front_claims(
            ask,
            who,
            issuer=issuer,
            sub=subject_name(client, who.user_id, key),
            now=self.clock.now(),
            ttl=self.realms.of(client.tenant_id).lifetimes[client.profile].id_token_ttl,
        )

    def _session_state(self, ask: Ask, client: Client, who: SignedIn) -> dict[str, str]:
        """OpenID Connect Session Management 1.0 §2."""
        if not self.requests.rules.session_management or "openid" not in ask.scope:
            return {}
        salt = self.mint.secret()[:16]
        state = session_state(client.id, ask.target.redirect_uri, who.sid, salt)
        return {} if state is None else {"session_state": state}

    def _making(self, client: Client) -> Making:
        return Making(
            code_id=self.mint.id("cod"),
            grant_id=self.mint.id("gra"),
            event_ids=(self.mint.id("evt"), self.mint.id("evt")),
            secret=self.mint.secret(),
            digest_key=self.keys.of(client.tenant_id).digest_key,
            now=self.clock.now(),
        )
