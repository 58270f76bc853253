"""What an authorization request says, whichever way it comes: plain, pushed, signed."""

from typing import Any

from safeconduct.core.authorize import Answer, Page, Rules, find_target
from safeconduct.core.detail_types import Types
from safeconduct.core.dpop import bind
from safeconduct.core.errors import OAuthError, invalid_request
from safeconduct.core.form import Form
from safeconduct.core.model import Client
from safeconduct.core.par import URN, check, pushed_form
from safeconduct.core.realm import Realm
from safeconduct.core.request_object import combined
from safeconduct.core.sent_request import Sent
from safeconduct.services.pushed_requests import PushedRequests
from safeconduct.services.realms import Realms
from safeconduct.services.request_objects import RequestObjects
from safeconduct.services.resources import Resources

GONE = Page(
    "invalid_request_uri",
    "The app's request is not here any more: it was used already, or is too old. "
    "Go back to the app and start again.",
    rule="request_uri.unknown",
)


class Requests:
    def __init__(
        self,
        *,
        pushed: PushedRequests,
        objects: RequestObjects,
        rules: Rules,
        realms: Realms,
        resources: Resources,
    ) -> None:
        self.pushed, self.objects = pushed, objects
        self.rules, self.realms, self.resources = rules, realms, resources

    def rules_of(self, client: Client) -> Rules:
        """What the client's tenant offers to requests."""
        realm = self.realms.of(client.tenant_id)
        return self.rules.at(
            realm.issuer,
            self.resources.of(client.tenant_id),
            push=realm.policy.require_pushed_authorization_requests,
            detail_types=realm.policy.authorization_details_types,
        )

    def detail_types(self, realm: Realm) -> Types:
        """The types of details that a tenant has: the server's, and its own."""
        return self.rules.at("", detail_types=realm.policy.authorization_details_types).detail_types

    async def push(self, client: Client, form: Form, jkt: str | None = None) -> dict[str, Any]:
        """RFC 9126 §2: keep a request for the browser that is to come; raises `OAuthError`.

        `jkt` is the key of the proof that came with it, to which its code will be bound.
        """
        if "request_uri" in form:
            raise invalid_request(
                "request_uri cannot be pushed", rule="par.request_uri", rfc="9126#2.1"
            )
        outer, text = pushed_form(form, client), form.get("request")
        if text is None:
            sent = Sent(form=outer)
        else:
            sent = Sent(form=await self._pushed_object(client, outer, text), signed=True)
        if jkt is not None:
            bind(sent.form, jkt)
        sent.check(client, ahead=True)
        check(sent.form, client, self.rules_of(client))
        return await self.pushed.push(client, sent)

    async def _pushed_object(self, client: Client, outer: Form, text: str) -> Form:
        """RFC 9126 §3."""
        try:
            inside = await self.objects.read(client, text)
            await self.objects.first(client, inside)
            return combined(inside.form, outer, client)
        except OAuthError as error:
            if error.error == "request_not_supported":  # a name of the authorization endpoint
                raise invalid_request(error.description, rule=error.rule, rfc=error.rfc) from None
            raise

    async def open(self, form: Form, client: Client) -> Sent | Page | Answer:
        """The request that the browser brings, opened if it is closed."""
        uri, text = form.get("request_uri"), form.get("request")
        if uri is None and text is None:
            return Sent(form=form)
        if form.repeated & {"client_id", "request_uri", "request"}:
            return Page("invalid_request", "The app's request says something twice.")
        # RFC 9126 §4, RFC 9101 §6.3: parameters beside it are those of nobody knows whom
        if uri is not None and uri.startswith(URN) and text is None:
            return await self.pushed.find(client, uri) or GONE
        try:
            return await self._object(form, client, uri, text)
        except OAuthError as error:
            return self._refused(form, client, error)

    async def _object(self, form: Form, client: Client, uri: str | None, text: str | None) -> Sent:
        if uri is not None:
            if text is not None:  # RFC 9101 §5: "MUST NOT be used together"
                raise invalid_request("request and request_uri exclude each other", rule="request")
            text = await self.objects.fetch(client, uri)
        inside = await self.objects.read(client, text or "", fetched=uri is not None)
        both = combined(inside.form, form, client)
        return Sent(form=both, signed=True, once=inside.once, until=inside.until)

    def _refused(self, form: Form, client: Client, error: OAuthError) -> Page | Answer:
        """To the app, if the parameters beside the object say where that is; else to the person."""
        target = find_target(_without_object(form), client)
        if not isinstance(target, Page):
            return target.error(self.realms.issuer(client.tenant_id), error)
        if target.code != "invalid_request":
            return target
        return Page(error.error, "The signed request of the app cannot be used.", rule=error.rule)


def _without_object(form: Form) -> Form:
    """The parameters beside a request object, which is as long as it likes to be."""
    beside = Form()
    beside.update({name: form[name] for name in form if name not in ("request", "request_uri")})
    beside.resources, beside.repeated, beside.blank = form.resources, form.repeated, form.blank
    return beside
