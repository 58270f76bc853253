"""Pushed Authorization Requests: RFC 9126.

A client that can prove who it is gets a row, which lives for a minute and a half and is spent
where its code is made. What a public client pushes is not kept: it travels sealed in the
`request_uri` itself, because anybody can push in its name. Both are spent by the same id, that of
the flow that they start.
"""

from safeconduct.core.authorize import Page, Rules, find_target, read
from safeconduct.core.errors import OAuthError, invalid_request
from safeconduct.core.form import Form
from safeconduct.core.model import Client, PushedRequest, TenantId
from safeconduct.core.secret import Opaque
from safeconduct.core.throttle import Limit
from safeconduct.core.unit import DeleteAll, Ref

URN = "urn:ietf:params:oauth:request_uri:"
KIND = "pr"
LIFETIME = 90_000
ABANDONED = Limit("par", tries=3_072, window=LIFETIME, places=32)
"""Requests that were pushed and led to nothing; those that end in a code are taken back."""

CREDENTIALS = frozenset(
    {"client_secret", "client_assertion", "client_assertion_type", "request", "request_uri"}
)
"""Parameters of the push itself; they are no part of what is pushed."""


def pushed_form(form: Form, client: Client) -> Form:
    """§2.1: the parameters of an authorization request, without those that authenticate."""
    if form.get("client_id", client.id) != client.id:
        raise invalid_request("client_id is not the client that pushes", rule="par.client")
    kept = Form()
    kept.update({name: form[name] for name in form if name not in CREDENTIALS})
    kept["client_id"] = client.id
    kept.resources, kept.repeated, kept.blank = form.resources, form.repeated, form.blank
    return kept


def check(form: Form, client: Client, rules: Rules) -> None:
    """§2.1, step 3: "Validate the pushed request as it would an authorization request"."""
    target = find_target(form, client)
    if isinstance(target, Page):
        raise invalid_request(str(target.message), rule=target.rule, rfc="9126#2.1")
    read(form, target, client, rules)


def request_uri(token: Opaque) -> str:
    return URN + token.encode()


def too_many(wait: int) -> OAuthError:
    """§2.3: 429, if there is a rate limit."""
    return OAuthError(
        "temporarily_unavailable",
        "too many pushed requests have led to nothing",
        status=429,
        rule="par.rate",
        rfc="9126#2.3",
        retry_after=wait // 1000 + 1,
    )


def pushed_ref(tenant_id: TenantId, id: str) -> Ref[PushedRequest]:
    return Ref(PushedRequest, tenant_id=tenant_id, id=id)


def outlived(client: Client, now: int) -> DeleteAll:
    """A few rows of the client that nobody came for: who pushes clears up."""
    where = {"tenant_id": client.tenant_id, "client_id": client.id}
    return DeleteAll(PushedRequest, where, before=("expires_at", now), limit=8)
