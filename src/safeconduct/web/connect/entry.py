"""Connect without signing in elsewhere: forms for what a user brings, made from the entry.

GET  /connect/{provider_id}/enter    what there is to type in
POST /connect/{provider_id}/keys     keys, password, client or key file: tried, then kept
POST /connect/{provider_id}/wallet   watched as it is, or with a message to sign first
GET  /connect/{provider_id}/prove    the message
POST /connect/{provider_id}/prove    the signature

A secret that was typed in is never put back into a page, whatever was wrong with it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.errors import ApiError, ProviderError
from safeconduct.core.times import start_of
from safeconduct.core.upstream.keys import KeyField
from safeconduct.core.upstream.provider import BROUGHT, Provider
from safeconduct.core.upstream.site import read_site
from safeconduct.core.wording import Sentence, worded
from safeconduct.services.connections import Challenge, Completed, Enter, NotCompleted
from safeconduct.web.connect.failures import failure_of
from safeconduct.web.connect.picker import PATH, ConnectPages, Visit
from safeconduct.web.kit.browser import parse_form
from safeconduct.web.kit.page_error import PageError

REFUSED = (
    "{provider} did not accept these keys. Look whether all of each was copied, and whether the "
    "key may read."
)
NOT_TAKEN = (
    "{provider} did not accept this. Look whether all of it was copied, and whether it may read."
)

ENDS_ON = "expires_at"
"""The field for the day on which what is brought ends, where it may."""

TITLES = {
    "api_key": "With keys",
    "basic": "With a password",
    "custom_form": "With a token",
    "oauth2_client_credentials": "With an app of your own",
    "service_account": "With a key file",
}


HINTS = {
    "eip4361": "Begins with 0x.",
    "bip322": "As BIP-322 has it; for an address that begins with 1 or its like, the old way too.",
    "ed25519": "In base58, as the wallet shows it.",
}
"""What a signature looks like, by the way of proving."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a form shows again: a problem, whose field it is, and what is no secret."""

    problem: Sentence | None = None
    at: str | None = None
    label: str = ""
    address: str = ""
    connection: str | None = None
    ends_on: str = ""
    mode: str = ""
    given: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sheet:
    """One of the forms of a page. `prefix` keeps the ids of several apart."""

    mode: str
    fields: Sequence[KeyField]
    where: str | None
    prefix: str
    ends: bool = False  # it may, and only its owner knows when

    @property
    def title(self) -> str:
        return TITLES[self.mode]

    @property
    def there(self) -> str:
        return urlsplit(self.where or "").netloc

    @property
    def takes_files(self) -> bool:
        return any(one.kind != "text" for one in self.fields)

    def is_at(self, shown: Shown, one: KeyField) -> bool:
        """Whether the problem is this field's."""
        return shown.mode == self.mode and shown.at in (one.name, *one.gives)


class EntryPages:
    def __init__(self, *, connect: ConnectPages, enter: Enter) -> None:
        self.connect, self.enter = connect, enter
        self.pages, self.journeys = connect.pages, connect.journeys
        self.browser = connect.browser

    def routes(self) -> list[Route]:
        page, path = self.pages.endpoint, PATH + "/{provider_id}"
        return [
            Route(path + "/enter", page(self.show), methods=["GET"]),
            Route(path + "/keys", page(self.keys), methods=["POST"]),
            Route(path + "/wallet", page(self.wallet), methods=["POST"]),
            Route(path + "/prove", page(self.challenge), methods=["GET"]),
            Route(path + "/prove", page(self.prove), methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        query = parse_form(request.scope["query_string"])
        visit = await self.connect.visit(request, query.get("flow"))
        if isinstance(visit, Response):
            return visit
        return await self._form(request, visit, Shown(connection=query.get("connection")))

    async def keys(self, request: Request) -> Response:
        form = await self.browser.checked_form(request, files=True)
        visit = await self.connect.visit(request, form.get("flow"))
        if isinstance(visit, Response):
            return visit
        provider = await self._provider(request, visit)
        open_ways = [mode for mode in provider.auth.modes if mode in BROUGHT]
        mode = form.get("mode") or next(iter(open_ways), "")
        if mode not in open_ways:
            raise _other_way()
        connection = form.get("connection")
        settled = await self._settled(request, visit, connection)
        fields = [one for one in provider.by(mode).form if one.name not in settled]
        given = {one.name: form.get(f"{one.name}.file") or form.get(one.name, "") for one in fields}
        shown = Shown(
            label=form.get("display_label", ""),
            connection=connection,
            ends_on=form.get(ENDS_ON, ""),
            mode=mode,
            # No part of a key is ever put back; whose password it was may be
            given={one.name: given[one.name] for one in fields if not one.secret}
            if mode != "api_key"
            else {},
        )
        try:
            outcome = await self.enter.keys(
                visit.starter(),
                provider.id,
                given,
                mode=mode,
                display_label=shown.label,
                connection_id=shown.connection,
                ends_at=start_of(shown.ends_on) if shown.ends_on else None,
            )
        except ApiError as error:
            return await self._again(request, visit, error, shown)
        if isinstance(outcome, NotCompleted) and outcome.reason == "invalid_credentials":
            why = REFUSED if mode == "api_key" else NOT_TAKEN
            problem = worded(why, provider=provider.name)
            return await self._form(request, visit, replace(shown, problem=problem))
        return await self._told(request, visit, provider, outcome)

    async def wallet(self, request: Request) -> Response:
        form = await self.browser.checked_form(request)
        visit = await self.connect.visit(request, form.get("flow"))
        if isinstance(visit, Response):
            return visit
        provider = await self._provider(request, visit)
        address, label = form.get("address", ""), form.get("display_label", "")
        try:
            if form.get("how") == "prove":
                made = await self.enter.challenge(
                    visit.starter(), provider.id, address, display_label=label
                )
                return self._to_proof(request, visit, provider, made)
            outcome = await self.enter.wallet(
                visit.starter(), provider.id, address, display_label=label
            )
        except ApiError as error:
            shown = "" if error.code == "private_material" else address
            return await self._again(request, visit, error, Shown(label=label, address=shown))
        except ProviderError as error:
            raise PageError("unavailable", "Wallets cannot be linked here yet.", 503) from error
        return await self._told(request, visit, provider, outcome)

    async def challenge(self, request: Request) -> Response:
        query = parse_form(request.scope["query_string"])
        visit = await self.connect.visit(request, query.get("flow"))
        if isinstance(visit, Response):
            return visit
        provider = await self._provider(request, visit)
        try:
            made = await self.enter.read(visit.starter(), provider.id, query.get("attempt", ""))
        except ApiError:
            raise _too_late() from None
        how = provider.auth.wallet
        hint = HINTS.get(how.proof) if how else None
        return self.connect.at_provider(
            request, visit, provider, "connect/prove.html", challenge=made, hint=hint
        )

    async def prove(self, request: Request) -> Response:
        form = await self.browser.checked_form(request)
        visit = await self.connect.visit(request, form.get("flow"))
        if isinstance(visit, Response):
            return visit
        provider = await self._provider(request, visit)
        try:
            outcome = await self.enter.prove(
                visit.starter(), provider.id, form.get("attempt", ""), form.get("signature", "")
            )
        except ApiError:
            raise _too_late() from None
        return await self._told(request, visit, provider, outcome)

    # What is shown

    async def _provider(self, request: Request, visit: Visit) -> Provider:
        ready = await self.connect.providers.need(
            visit.who.tenant_id, request.path_params["provider_id"]
        )
        return ready.provider

    async def _settled(
        self, request: Request, visit: Visit, connection_id: str | None
    ) -> Collection[str]:
        """What nobody is asked: an operator has said it for all, or it is linked again there."""
        tenant_id = visit.who.tenant_id
        ready = await self.connect.providers.need(tenant_id, request.path_params["provider_id"])
        settled = {*ready.registration.values}
        if connection_id is not None:
            rows = await self.connect.connections.of_user(tenant_id, visit.who.user_id)
            settled |= {n for row in rows if row.id == connection_id for n in read_site(row.site)}
        return settled

    async def _form(self, request: Request, visit: Visit, shown: Shown) -> Response:
        provider = await self._provider(request, visit)
        sheets = _sheets(provider, await self._settled(request, visit, shown.connection))
        if not sheets and provider.auth.wallet is None:
            raise _other_way()
        return self.connect.at_provider(
            request,
            visit,
            provider,
            "connect/enter.html",
            shown=shown,
            forms=sheets,
            wallet=provider.auth.wallet,
        )

    async def _again(
        self, request: Request, visit: Visit, error: ApiError, shown: Shown
    ) -> Response:
        """The form once more, with what was wrong; another kind of trouble has its own page."""
        if error.code == "too_many_attempts":
            page = await self._form(request, visit, replace(shown, problem=error.words))
            page.status_code = error.status
            page.headers["retry-after"] = str(error.retry_after)
            return page
        if error.status != 400 or error.field is None:
            raise error
        return await self._form(request, visit, replace(shown, problem=error.words, at=error.field))

    def _to_proof(
        self, request: Request, visit: Visit, provider: Provider, made: Challenge
    ) -> Response:
        path = self.journeys.at(request, f"{PATH}/{provider.id}/prove", visit.journey)
        mark = "&" if "?" in path else "?"
        return self.pages.redirect(request, f"{path}{mark}attempt={made.id}")

    async def _told(
        self,
        request: Request,
        visit: Visit,
        provider: Provider,
        outcome: Completed | NotCompleted,
    ) -> Response:
        if isinstance(outcome, Completed):
            return self.connect.at_provider(
                request,
                visit,
                provider,
                "connect/linked.html",
                connection=outcome.connection,
                again=outcome.again,
            )
        failure = failure_of(outcome, provider.name)
        return self.connect.at_provider(
            request,
            visit,
            provider,
            "connect/failed.html",
            failure=failure,
            provider_id=provider.id if failure.again else None,
            provider=provider.name,
            connection_id=outcome.attempt.connection_id,
        )


def _sheets(provider: Provider, settled: Collection[str]) -> list[Sheet]:
    modes = [mode for mode in provider.auth.modes if mode in BROUGHT]
    found = []
    for mode in modes:
        entry = provider.by(mode)
        where = entry.auth.brings.where if entry.auth.brings else None
        ends = entry.auth.brings is not None and entry.auth.brings.ends
        asked = [one for one in entry.form if one.name not in settled]
        found.append(Sheet(mode, asked, where, f"{mode}-" if len(modes) > 1 else "", ends))
    return found


def _other_way() -> PageError:
    return PageError("auth_mode", "Accounts there are not linked by typing something in.", 400)


def _too_late() -> PageError:
    return PageError(
        "challenge_over",
        "This message was signed before, is too old, or belongs to somebody else. Begin again.",
    )
