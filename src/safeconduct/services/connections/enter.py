"""Link an account by what somebody types in: keys, tried before they are kept; or an address.

    keys      fields ─▶ the provider's own word on them (`trying`) ─▶ connection
    wallet    address ─▶ connection, watched only
    challenge address ─▶ attempt, a message to sign ─▶ prove ─▶ connection, proven

Each goes through an attempt, as a link by signing in does: bound to user and provider, honoured
once, told of in events. What the provider refuses counts as a guess: nobody tries other people's
keys and passwords through us for long.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog

from safeconduct.core import attempts
from safeconduct.core.attempts import TTL_MS, attempt_ref, attempts_of, begin
from safeconduct.core.connections import connection_ref
from safeconduct.core.errors import ApiError, ProviderError, not_found
from safeconduct.core.model import Attempt, Counter, User
from safeconduct.core.throttle import MINUTE, Limit
from safeconduct.core.unit import Done, Facts, Ref, Update, Write
from safeconduct.core.upstream import contract_wallets, siwe
from safeconduct.core.upstream.brought import asked_scopes, read_form
from safeconduct.core.upstream.flow import Account
from safeconduct.core.upstream.keys import ADDRESS, MAX_LENGTH, Wallet, Watched, pack
from safeconduct.core.upstream.pages import capabilities_of
from safeconduct.core.upstream.private_material import is_private
from safeconduct.core.upstream.provider import BROUGHT
from safeconduct.core.upstream.site import kept, of_fields, read_site, written
from safeconduct.core.wording import plural
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.outbound import Outbound
from safeconduct.ports.store import Store
from safeconduct.ports.wallets import Wallets
from safeconduct.services.connections.attach import Attach, Completed, NotCompleted
from safeconduct.services.connections.providers import Providers, Ready
from safeconduct.services.connections.start import Starter, may_relink, read_label
from safeconduct.services.connections.trying import REFUSED, Trying
from safeconduct.services.realms import Realms
from safeconduct.services.vault import Vault

BY_CONTRACT = "eip1271"
GUESSES = Limit("connect.keys", 10, 15 * MINUTE)  # of one user at one provider

LONGEST_MS = 100 * 366 * 86_400_000
"""No key is said to last for longer."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Challenge:
    """A message for the owner of a wallet to sign. `id` names it afterwards; it is no secret."""

    id: str
    message: str


class Enter:
    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        providers: Providers,
        outbound: Outbound,
        wallets: Wallets,
        clock: Clock,
        mint: Mint,
        realms: Realms,
    ) -> None:
        self.store, self.vault, self.providers = store, vault, providers
        self.outbound, self.wallets = outbound, wallets
        self.clock, self.mint, self.realms = clock, mint, realms
        self.attach = Attach(store=store, vault=vault, clock=clock, mint=mint)
        self.trying = Trying(vault=vault, outbound=outbound, clock=clock, mint=mint)

    # What is brought

    async def keys(
        self,
        who: Starter,
        provider_id: str,
        given: Mapping[str, str],
        *,
        mode: str = "api_key",
        display_label: str | None = None,
        connection_id: str | None = None,
        ends_at: int | None = None,
    ) -> Completed | NotCompleted:
        """400 names a field that cannot be right; what does not work ends as `NotCompleted`.

        429 `too_many_attempts` when this user was refused there too often.

        `ends_at`: when what is brought ends, where its owner knows.
        """
        ready = await self.providers.need(who.tenant_id, provider_id)
        if mode not in BROUGHT or mode not in ready.provider.auth.modes:
            raise _mode("This provider is not linked in this way.")
        ready = ready.by(mode)
        _check_end(ends_at, self.clock.now())
        settled = await self._settled(who, ready, connection_id, given)
        fields = read_form(ready.provider, {**given, **settled})
        attempt = self._attempt(
            who,
            ready,
            mode,
            display_label=display_label,
            connection_id=connection_id,
            scope=asked_scopes(ready.provider, fields),
            site=of_fields(ready.provider, fields),
        )
        tries = self._tries(attempt)
        attempt = await self._write(replace(attempt, consumed_at=attempt.created_at), tries)
        try:
            secret, account = await self.trying.tried(who.tenant_id, ready, fields, ends_at)
        except ProviderError as error:
            if error.code != REFUSED:  # the provider has judged nothing
                await self._forgive(tries)
            return await self.attach.fail(attempt, ready, error)
        await self._forgive(tries)
        return await self.attach.link(attempt, secret, account, capabilities_of(ready.provider))

    async def _settled(
        self, who: Starter, ready: Ready, connection_id: str | None, given: Mapping[str, str]
    ) -> dict[str, str]:
        """What of the form is answered: by an operator for all, or by the connection that is
        linked again.
        """
        names = {field.name for field in ready.provider.form}
        site = written(ready.registration.values)
        if connection_id is not None:
            row = await self.store.get(connection_ref(who.tenant_id, connection_id))
            if row is not None and row.user_id == who.user_id:
                site = row.site or site
        held = {name: value for name, value in read_site(site).items() if name in names}
        kept(site, {name: given.get(name, "") for name in held})
        return held

    def _tries(self, attempt: Attempt) -> Ref[Counter]:
        key = self.vault.keys.of(attempt.tenant_id).digest_key
        subject = f"{attempt.user_id}\0{attempt.provider_id}"
        return GUESSES.ref(key, attempt.tenant_id, subject)

    async def _forgive(self, tries: Ref[Counter]) -> None:
        await self.store.run(
            (tries,), lambda facts: Done(None, GUESSES.forgive(tries, facts.get(tries)))
        )

    # Wallets

    async def wallet(
        self,
        who: Starter,
        provider_id: str,
        address: str,
        *,
        chain: str | None = None,
        display_label: str | None = None,
    ) -> Completed | NotCompleted:
        """Watch an address. Whose it is nobody has shown."""
        ready, how = await self._wallet(who, provider_id)
        if chain is not None and chain not in (how.network, how.caip2, str(how.chain_id)):
            raise ApiError(400, "invalid_chain", "chain is not this provider's", field="chain")
        watched = self._watched(how, address)
        account = siwe.account_key(how, watched.account)
        attempt = self._attempt(who, ready, "wallet", display_label=display_label, account=account)
        attempt = await self._write(replace(attempt, consumed_at=attempt.created_at))
        return await self._watch(ready, attempt, watched, proof=None)

    async def challenge(
        self, who: Starter, provider_id: str, address: str, *, display_label: str | None = None
    ) -> Challenge:
        """The message that the owner of the address signs to show that it is theirs."""
        ready, how = await self._wallet(who, provider_id)
        if how.proof == "none":
            raise _mode("This provider's wallets cannot be proven.")
        watched = self._watched(how, address)
        if watched.many:
            raise ApiError(
                400,
                "cannot_be_proven",
                "many addresses can only be watched",
                words="Many addresses at once can only be watched.",
                field=ADDRESS,
            )
        attempt = self._attempt(
            who,
            ready,
            "wallet",
            display_label=display_label,
            account=siwe.account_key(how, watched.account),
            nonce=self.mint.digits(24),  # EIP-4361: letters and digits only
        )
        await self._write(attempt)
        return Challenge(attempt.id, self._message(attempt, how))

    async def read(self, who: Starter, provider_id: str, attempt_id: str) -> Challenge:
        """A challenge that is still open, for a page that is loaded again."""
        _, how = await self._wallet(who, provider_id)
        row = await self.store.get(attempt_ref(who.tenant_id, attempt_id))
        if not self._is_open(row, who, provider_id):
            raise not_found("challenge")
        assert row is not None
        return Challenge(row.id, self._message(row, how))

    async def prove(
        self, who: Starter, provider_id: str, attempt_id: str, signature: str
    ) -> Completed | NotCompleted:
        """The attempt is spent by the first signature that comes, good or bad (L17)."""
        ready, how = await self._wallet(who, provider_id)
        ref, now = attempt_ref(who.tenant_id, attempt_id), self.clock.now()

        def take(facts: Facts) -> Done[Attempt | None]:
            row = facts.get(ref)
            if row is None or not self._is_open(row, who, provider_id):
                return Done(None)
            taken = replace(row, consumed_at=now, outcome="taken")
            return Done(taken, (Update(ref, {"consumed_at": now, "outcome": "taken"}),))

        taken = (await self.store.run((ref,), take)).answer
        if taken is None:
            raise not_found("challenge")
        address = siwe.address_of(taken.account or "")
        text = self._message(taken, how)
        try:
            proof = await self._proof(ready, how, address, text, signature.strip())
        except ProviderError as error:
            return await self.attach.fail(taken, ready, error)
        watched = Watched(text=address, account=address, name=address)
        return await self._watch(ready, taken, watched, proof=proof)

    async def _proof(
        self, ready: Ready, how: Wallet, address: str, message: str, signature: str
    ) -> str:
        """How it was shown: by the address's own key, or by the contract that the address is."""
        if self.wallets.signed(how, address, message, signature):
            return how.proof
        digest = self.wallets.digest(how, message)
        if digest is not None and contract_wallets.is_signature(signature):
            request = contract_wallets.request(
                ready.provider, ready.registration, address, digest, signature
            )
            if contract_wallets.read(await self.outbound.send(request)):
                return BY_CONTRACT
        raise ProviderError("wrong_signature", remedy="reconnect", sent=False)

    async def _watch(
        self, ready: Ready, attempt: Attempt, watched: Watched, *, proof: str | None
    ) -> Completed | NotCompleted:
        secret = self.trying.kept(attempt.tenant_id, pack({ADDRESS: watched.text}))
        account = Account(attempt.account or "", watched.name, proof)
        return await self.attach.link(attempt, secret, account, capabilities_of(ready.provider))

    async def _wallet(self, who: Starter, provider_id: str) -> tuple[Ready, Wallet]:
        ready = await self.providers.need(who.tenant_id, provider_id)
        how = ready.provider.auth.wallet
        if how is None:
            raise _mode("This provider is not linked by an address.")
        return ready, how

    def _watched(self, how: Wallet, typed: str) -> Watched:
        """What is private is refused first, before anything could keep it or say it again."""
        if is_private(typed):
            raise ApiError(
                400,
                "private_material",
                "address holds something private, which was not kept: never type that in anywhere",
                words="This holds something private. It was not kept: never type that in anywhere.",
                field=ADDRESS,
            )
        watched = self.wallets.read(how, typed.strip()) if len(typed) <= MAX_LENGTH else None
        if watched is None:
            raise ApiError(
                400,
                "invalid_address",
                "address is not an address of this chain",
                words="This is not an address of this chain.",
                field=ADDRESS,
            )
        return watched

    def _message(self, attempt: Attempt, how: Wallet) -> str:
        issuer = self.realms.issuer(attempt.tenant_id)
        domain = issuer.partition("://")[2].partition("/")[0]
        return siwe.message(attempt, how, domain=domain, uri=issuer)

    def _is_open(self, row: Attempt | None, who: Starter, provider_id: str) -> bool:
        """Bound to the person who began, at the app through which they did."""
        return (
            row is not None
            and row.auth_mode == "wallet"
            and row.nonce is not None
            and (row.user_id, row.client_id) == (who.user_id, who.client_id or "")
            and row.provider_id == provider_id
            and attempts.is_open(row, self.clock.now())
        )

    # Both

    def _attempt(self, who: Starter, ready: Ready, auth_mode: str, **more: Any) -> Attempt:
        now = self.clock.now()
        label = read_label(more.pop("display_label", None))
        columns: dict[str, Any] = {
            "tenant_id": who.tenant_id,
            "id": self.mint.id("att"),
            "digest": b"",  # no `state` travels, so none can be presented
            "user_id": who.user_id,
            "client_id": who.client_id or "",
            "grant_id": who.grant_id,
            "provider_id": ready.provider.id,
            "mode": who.mode,
            "browser_digest": None,
            "issuer": None,
            "token_endpoint": "",
            "redirect_uri": "",
            "code_verifier": None,
            "nonce": None,
            "scope": frozenset(),
            "display_label": label,
            "connection_id": None,
            "return_to": who.return_to,
            "created_at": now,
            "expires_at": now + TTL_MS,
            "consumed_at": None,
            "outcome": None,
            "auth_mode": auth_mode,
            "account": None,
        }
        return Attempt(**{**columns, **more})

    async def _write(self, attempt: Attempt, tries: Ref[Counter] | None = None) -> Attempt:
        """Keep the attempt; one that is consumed at once is taken by the same unit.

        `tries` counts it as a guess, before the provider is asked: many at once are still many.
        """
        if attempt.consumed_at is not None:
            attempt = replace(attempt, outcome="taken")
        user = Ref(User, tenant_id=attempt.tenant_id, id=attempt.user_id)
        unfinished = attempts_of(attempt.tenant_id, attempt.user_id)
        target = connection_ref(attempt.tenant_id, attempt.connection_id or "")
        event_id, now = self.mint.id("evt"), attempt.created_at
        reads = (user, unfinished, target, *((tries,) if tries else ()))

        def decide(facts: Facts) -> Done[ApiError | None]:
            person = facts.get(user)
            if person is None or person.status != "active":
                return Done(not_found("user"))
            if attempt.connection_id is not None and not may_relink(attempt, facts.get(target)):
                return Done(not_found("connection"))
            writes: list[Write] = [*begin(attempt, facts.all(unfinished), event_id=event_id)]
            if tries is not None:
                counter = facts.get(tries)
                if wait := GUESSES.wait(counter, now):
                    return Done(_too_many(wait))
                writes.append(GUESSES.count(tries, counter, now))
            return Done(None, writes)

        refusal = (await self.store.run(reads, decide)).answer
        if refusal is not None:
            raise refusal
        return attempt


def _check_end(ends_at: int | None, now: int) -> None:
    if ends_at is not None and not now < ends_at <= now + LONGEST_MS:
        title = "expires_at is a time ahead, and not beyond all measure."
        raise ApiError(400, "invalid_expires_at", title, field="expires_at")


def _mode(title: str) -> ApiError:
    return ApiError(400, "auth_mode", title)


def _too_many(wait_ms: int) -> ApiError:
    minutes = -(-wait_ms // MINUTE)
    return ApiError(
        429,
        "too_many_attempts",
        plural(
            "The provider refused too often. Try again in {n} minute.",
            "The provider refused too often. Try again in {n} minutes.",
            minutes,
        ),
        retry_after=wait_ms // 1000 + 1,
    )
