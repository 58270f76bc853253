"""What an authorization request says, whichever way it comes: plain, pushed, or signed."""

from typing import Any

from safeconduct.core.authorize import Answer, Page, Rules, find_target
from safeconduct.core.errors import OAuthError, invalid_request
from safeconduct.core.form import Form
from safeconduct.core.model import Client
from safeconduct.core.par import URN, check, pushed_form
from safeconduct.core.sent_request import Sent
from safeconduct.services.pushed_requests import PushedRequests
from safeconduct.services.realms import Realms

GONE = Page(
    "invalid_request_uri",
    "The app's request is not here any more: it was used already, or is too old. "
    "Go back to the app and start again.",
    rule="request_uri.unknown",
)


class Requests:
    def __init__(self, *, pushed: PushedRequests, rules: Rules, realms: Realms) -> None:
        self.pushed, self.rules, self.realms = pushed, rules, realms

    async def push(self, client: Client, form: Form) -> dict[str, Any]:
        """RFC 9126 §2: keep a request for the browser that is to come; raises `OAuthError`."""
        if "request_uri" in form:
            raise invalid_request(
                "request_uri cannot be pushed", rule="par.request_uri", rfc="9126#2.1"
            )
        sent = Sent(form=pushed_form(form, client))
        if "request" in form:
            raise invalid_request("request objects are not supported", rule="par.request")
        Sent(form=sent.form, pushed="", signed=sent.signed).check(client)
        check(sent.form, client, self.rules.at(self.realms.issuer(client.tenant_id)))
        return await self.pushed.push(client, sent)

    async def open(self, form: Form, client: Client) -> Sent | Page | Answer:
        """The request that the browser brings, opened if it is closed."""
        uri = form.get("request_uri")
        if uri is None:
            return Sent(form=form)
        if not uri.startswith(URN):
            return self._refused(form, client, _not_supported("request_uri"))
        if form.repeated & {"client_id", "request_uri"} or "request" in form:
            return Page("invalid_request", "The app's request says two things at once.")
        # RFC 9126 §4, RFC 9101 §6.3: parameters beside it are those of nobody knows whom
        return await self.pushed.find(client, uri) or GONE

    def _refused(self, form: Form, client: Client, error: OAuthError) -> Page | Answer:
        """To the app, if the parameters beside the object say where that is; else to the person."""
        target = find_target(form, client)
        issuer = self.realms.issuer(client.tenant_id)
        return target if isinstance(target, Page) else target.error(issuer, error)


def _not_supported(name: str) -> OAuthError:
    return OAuthError(f"{name}_not_supported", f"{name} is not supported", rfc="OIDC#6")
