"""RFC 6749 §4.4: a client on its own behalf.

Nothing is written for a JWT: it dies by itself, or with its client. Scopes that are about a
person who signed in mean nothing here and are left out of what the client gets unasked.
"""

from dataclasses import dataclass

from safeconduct.core.authorization_details import read_details
from safeconduct.core.errors import OAuthError, invalid_scope, unauthorized_client
from safeconduct.core.form import Form
from safeconduct.core.grants._grant import (
    Context,
    Grant,
    Issue,
    Refuse,
    access_for,
    done,
    refuse,
)
from safeconduct.core.model import Client, Words
from safeconduct.core.resource import resource_of
from safeconduct.core.scopes import asked_scope, parse_scope
from safeconduct.core.unit import Facts, Read

PERSONAL: Words = frozenset({"openid", "profile", "email", "phone", "address", "offline_access"})


@dataclass(frozen=True, slots=True)
class Ask:
    scope: str | None
    resources: tuple[str, ...]
    details: str | None = None


def parse(form: Form) -> Ask:
    return Ask(asked_scope(form), form.resources, form.get("authorization_details"))


def reads(ask: Ask, seen: Facts, ctx: Context) -> tuple[Read, ...]:
    return ()


def decide(ask: Ask, facts: Facts, ctx: Context) -> Issue | Refuse:
    client = ctx.client
    try:
        # §4.4: "The client credentials grant type MUST only be used by confidential clients."
        if not client.confidential:
            raise unauthorized_client("a public client has no credentials", rule="grant.public")
        scope = _scope(ask.scope, client)
        # RFC 9396 §6: what a client may ask for, it may have where no user stands behind it
        allowed = client.authorization_details_types
        details = read_details(ask.details, ctx.detail_types, allowed)
        resources = resource_of(client, ask.resources, ctx.issuer)
    except OAuthError as error:
        return refuse(ctx, error)
    access, seconds, rows = access_for(ctx, None, scope, resources, details=details)
    record = [done(ctx, "token.issued", subject=client.id)] if rows else []
    return Issue(
        scope=scope,
        access=access,
        expires_in=seconds,
        details=details,
        writes=(*rows, *record),
    )


def _scope(asked: str | None, client: Client) -> Words:
    """§3.3: what was asked for, or the client's default."""
    if asked is None:
        return client.default_scope - PERSONAL
    scope = parse_scope(asked)
    if scope is None:
        raise invalid_scope("scope is malformed", rule="scope.malformed", rfc="6749#3.3")
    if not scope <= client.scope - PERSONAL:
        raise invalid_scope(
            "the client may not have this scope", rule="scope.client", rfc="6749#3.3"
        )
    return scope


GRANT = Grant(name="client_credentials", parse=parse, reads=reads, decide=decide, redeems=False)
