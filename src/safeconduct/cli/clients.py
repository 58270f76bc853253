"""`safeconduct clients`: the registry of third-party apps."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from safeconduct.cli.opened import ACTOR, run
from safeconduct.cli.options import HERE, Where
from safeconduct.cli.show import Failed, say, show, show_json, show_rows

if TYPE_CHECKING:
    from safeconduct.app import Platform

app = App(name="clients", help="Third-party apps and their secrets.")

ID = Parameter(help="Id of the client.")
SET = Parameter(
    name="--set",
    help="Any other field, as name=value; lists and numbers as JSON. May be repeated.",
    negative=(),
)
Profile = Literal["native", "calico", "alpaca", "calcom", "loop"]


@app.command(
    help_epilogue="""\
Examples:

  safeconduct clients create --name "Fernhill" --redirect-uri https://app.example/callback
  safeconduct clients create --name "My phone app" --auth-method none \\
      --redirect-uri http://127.0.0.1/callback --scope "openid email offline_access"
  safeconduct clients create --name "Nightly export" --grant-type client_credentials --json
  safeconduct clients create --name "Ledger" --redirect-uri https://ledger.example/cb \\
      --jwks keys.json --require-par --authorization-details-type connections
  safeconduct clients create --name "Bank" --grant-type client_credentials \\
      --auth-method private_key_jwt --jwks public-keys.json
"""
)
def create(
    *,
    name: Annotated[str, Parameter(help="What consent calls the app.")],
    redirect_uri: Annotated[
        list[str] | None, Parameter(help="Where codes may be sent. May be repeated.", negative=())
    ] = None,
    post_logout_redirect_uri: Annotated[
        list[str] | None, Parameter(help="Where to go after logout. May be repeated.", negative=())
    ] = None,
    grant_type: Annotated[
        list[str] | None,
        Parameter(help="authorization_code, refresh_token … May be repeated.", negative=()),
    ] = None,
    response_type: Annotated[
        list[str] | None, Parameter(help="code, or nothing. May be repeated.", negative=())
    ] = None,
    scope: Annotated[
        str | None, Parameter(help="All it may ever ask for, as one text with spaces.")
    ] = None,
    default_scope: Annotated[
        str | None, Parameter(help="What a request without scope means; by default all.")
    ] = None,
    resource: Annotated[
        list[str] | None,
        Parameter(
            help="APIs it may name; without any, the platform's own. May be repeated.", negative=()
        ),
    ] = None,
    auth_method: Annotated[
        str | None,
        Parameter(
            help="none (a public client), client_secret_basic, client_secret_post, "
            "private_key_jwt …"
        ),
    ] = None,
    jwks: Annotated[
        Path | None, Parameter(help="File with its public keys (a JWK Set, or one JWK).")
    ] = None,
    jwks_uri: Annotated[str | None, Parameter(help="Where it publishes its public keys.")] = None,
    auth_signing_alg: Annotated[
        str | None, Parameter(help="The one algorithm of its assertions; by default any.")
    ] = None,
    security_profile: Annotated[
        Literal["oauth21", "mcp", "fapi2", "fapi2_message_signing"] | None,
        Parameter(help="A set of rules that it is held to."),
    ] = None,
    tls_client_auth_subject_dn: Annotated[
        str | None, Parameter(help="Subject of its certificate (tls_client_auth).")
    ] = None,
    tls_client_auth_san_dns: Annotated[str | None, Parameter(help="… or its DNS name.")] = None,
    tls_client_auth_san_uri: Annotated[str | None, Parameter(help="… or its URI.")] = None,
    tls_client_auth_san_ip: Annotated[str | None, Parameter(help="… or its address.")] = None,
    tls_client_auth_san_email: Annotated[str | None, Parameter(help="… or its mailbox.")] = None,
    certificate_bound: Annotated[
        bool | None,
        Parameter(help="Its access tokens are bound to its certificate.", negative=()),
    ] = None,
    dpop_bound: Annotated[
        bool | None, Parameter(help="Its access tokens are bound to a key (DPoP).", negative=())
    ] = None,
    assertion_audience: Annotated[
        Literal["issuer", "endpoint"] | None,
        Parameter(help="endpoint: its assertions may name the token endpoint, as older ones do."),
    ] = None,
    profile: Annotated[
        Profile | None, Parameter(help="Whose lifetimes, formats and errors it gets.")
    ] = None,
    require_pkce: Annotated[
        bool | None,
        Parameter(help="Only a confidential client may do without.", negative="--no-require-pkce"),
    ] = None,
    require_par: Annotated[
        bool | None, Parameter(help="It has to push its requests (RFC 9126).", negative=())
    ] = None,
    require_signed_request: Annotated[
        bool | None, Parameter(help="It has to sign its requests (RFC 9101).", negative=())
    ] = None,
    request_uri: Annotated[
        list[str] | None,
        Parameter(help="Where its signed requests may lie. May be repeated.", negative=()),
    ] = None,
    authorization_details_type: Annotated[
        list[str] | None,
        Parameter(help="Type of details that it may ask for. May be repeated.", negative=()),
    ] = None,
    acr: Annotated[
        list[str] | None,
        Parameter(help="How its users have to sign in. May be repeated.", negative=()),
    ] = None,
    verified: Annotated[
        bool | None, Parameter(help="You vouch for its name; else consent calls it unverified.")
    ] = None,
    access_token_format: Annotated[
        Literal["jwt", "opaque"] | None, Parameter(help="What its access tokens are.")
    ] = None,
    description: Annotated[str | None, Parameter(help="One line about it.")] = None,
    client_uri: Annotated[str | None, Parameter(help="Its home page.")] = None,
    live_trading_approved: Annotated[
        bool | None, Parameter(help="It may be let into live accounts.", negative=())
    ] = None,
    set_: Annotated[list[str] | None, SET] = None,
    where: Where = HERE,
) -> None:
    """Register an app. Prints its metadata, secret included, once."""
    asked: dict[str, Any] = {
        "client_name": name,
        "redirect_uris": redirect_uri,
        "post_logout_redirect_uris": post_logout_redirect_uri,
        "grant_types": grant_type,
        "response_types": response_type,
        "scope": scope,
        "default_scope": default_scope,
        "resources": resource,
        "token_endpoint_auth_method": auth_method,
        "jwks": _key_set(jwks),
        "jwks_uri": jwks_uri,
        "token_endpoint_auth_signing_alg": auth_signing_alg,
        "tls_client_auth_subject_dn": tls_client_auth_subject_dn,
        "tls_client_auth_san_dns": tls_client_auth_san_dns,
        "tls_client_auth_san_uri": tls_client_auth_san_uri,
        "tls_client_auth_san_ip": tls_client_auth_san_ip,
        "tls_client_auth_san_email": tls_client_auth_san_email,
        "tls_client_certificate_bound_access_tokens": certificate_bound,
        "dpop_bound_access_tokens": dpop_bound,
        "security_profile": security_profile,
        "assertion_audience": assertion_audience,
        "profile": profile,
        "require_pkce": require_pkce,
        "require_pushed_authorization_requests": require_par,
        "require_signed_request_object": require_signed_request,
        "request_uris": request_uri,
        "authorization_details_types": authorization_details_type,
        "default_acr_values": acr,
        "verified": verified,
        "access_token_format": access_token_format,
        "description": description,
        "client_uri": client_uri,
        "live_trading_approved": live_trading_approved,
    }
    data = {field: value for field, value in asked.items() if value is not None} | _fields(set_)

    async def use(platform: "Platform") -> dict[str, Any]:
        made = await platform.clients.create(platform.tenant_id, data, actor=ACTOR)
        return _document(made)

    _show_secret(run(where, use), where)


@app.command(
    help_epilogue="""\
Examples:

  safeconduct clients update cli_01… --set client_name="Fernhill"
  safeconduct clients update cli_01… --set backchannel_logout_uri=https://app.example/out
  safeconduct clients update cli_01… --set redirect_uris='["https://app.example/cb"]'
"""
)
def update(
    client: Annotated[str, ID], /, *, set_: Annotated[list[str], SET], where: Where = HERE
) -> None:
    """Change what a client is registered as."""
    from safeconduct.core.registration import document

    data = _fields(set_)

    async def use(platform: "Platform") -> dict[str, Any]:
        return document(
            await platform.clients.update(platform.tenant_id, client, data, actor=ACTOR)
        )

    show(run(where, use), json=where.json)


@app.command(name="list", help_epilogue="Example:\n\n  safeconduct clients list --json")
def list_(
    *,
    limit: Annotated[int, Parameter(help="How many at most.")] = 100,
    after: Annotated[str | None, Parameter(help="Continue behind the client with this id.")] = None,
    where: Where = HERE,
) -> None:
    """List clients."""
    from safeconduct.core.registration import document

    async def use(platform: "Platform") -> list[dict[str, Any]]:
        clients = await platform.clients.list(platform.tenant_id, after=after, limit=limit)
        return [document(client) for client in clients]

    clients = run(where, use)
    if where.json:
        show_json({"clients": clients})
    else:
        columns = {"client_id": "Id", "client_name": "Name", "profile": "Profile"}
        nothing = "No clients yet: safeconduct clients create --help"
        show_rows(clients, columns | {"status": "Status", "scope": "Scope"}, nothing)


@app.command(name="show", help_epilogue="Example:\n\n  safeconduct clients show cli_01…")
def show_client(client: Annotated[str, ID], /, *, where: Where = HERE) -> None:
    """Show one client, and which secrets it has."""
    from safeconduct.core.registration import document

    async def use(platform: "Platform") -> dict[str, Any]:
        found = await platform.clients.show(platform.tenant_id, client)
        secrets = await platform.clients.secrets(platform.tenant_id, client)
        kept = [{"id": s.id, "suffix": s.suffix, "expires_at": s.expires_at} for s in secrets]
        return {**document(found), "client_secrets": kept}

    show(run(where, use), json=where.json)


@app.command(
    help_epilogue="""\
Examples:

  safeconduct clients rotate-secret cli_01…
  safeconduct clients rotate-secret cli_01… --overlap-hours 0
"""
)
def rotate_secret(
    client: Annotated[str, ID],
    /,
    *,
    overlap_hours: Annotated[float, Parameter(help="How long the old secret works on.")] = 24.0,
    where: Where = HERE,
) -> None:
    """Give a new secret, printed once. The newest old one works on for a while."""

    async def use(platform: "Platform") -> dict[str, Any]:
        made = await platform.clients.rotate_secret(
            platform.tenant_id, client, actor=ACTOR, overlap_ms=int(overlap_hours * 3_600_000)
        )
        return _document(made)

    _show_secret(run(where, use), where)


@app.command(
    help_epilogue="""\
Examples:

  safeconduct clients approve-live-trading 7a3c52a9…
  safeconduct clients approve-live-trading 7a3c52a9… --withdraw
"""
)
def approve_live_trading(
    client: Annotated[str, ID],
    /,
    *,
    withdraw: Annotated[bool, Parameter(help="Take it back.", negative=())] = False,
    where: Where = HERE,
) -> None:
    """Let an app into live accounts, or no longer: tokens that it has then open none at once."""
    from safeconduct.core.registration import document

    change = {"live_trading_approved": not withdraw}

    async def use(platform: "Platform") -> dict[str, Any]:
        return document(
            await platform.clients.update(platform.tenant_id, client, change, actor=ACTOR)
        )

    show(run(where, use), json=where.json)


@app.command(
    help_epilogue="""\
Examples:

  safeconduct clients create --name Draft --set approved=false --set owner_id=usr_01…
  safeconduct clients approve c0123…
  safeconduct clients approve c0123… --withdraw
"""
)
def approve(
    client: Annotated[str, ID],
    /,
    *,
    withdraw: Annotated[bool, Parameter(help="Take it back.", negative=())] = False,
    where: Where = HERE,
) -> None:
    """Open an app to everybody, or no longer: without approval it works for its owner alone, and
    tokens that it has of others open nothing at once.
    """
    from safeconduct.core.registration import document

    change = {"approved": not withdraw}

    async def use(platform: "Platform") -> dict[str, Any]:
        return document(
            await platform.clients.update(platform.tenant_id, client, change, actor=ACTOR)
        )

    show(run(where, use), json=where.json)


@app.command(help_epilogue="Example:\n\n  safeconduct clients disable cli_01…")
def disable(client: Annotated[str, ID], /, *, where: Where = HERE) -> None:
    """Refuse a client from now on; all that it holds ends, and for good."""
    from safeconduct.core.registration import document

    async def use(platform: "Platform") -> dict[str, Any]:
        return document(await platform.clients.disable(platform.tenant_id, client, actor=ACTOR))

    show(run(where, use), json=where.json)


@app.command(help_epilogue="Example:\n\n  safeconduct clients enable cli_01…")
def enable(client: Annotated[str, ID], /, *, where: Where = HERE) -> None:
    """Let a client in again. What ended when it was disabled stays ended."""
    from safeconduct.core.registration import document

    async def use(platform: "Platform") -> dict[str, Any]:
        return document(await platform.clients.enable(platform.tenant_id, client, actor=ACTOR))

    show(run(where, use), json=where.json)


@app.command(help_epilogue="Example:\n\n  safeconduct clients delete cli_01…")
def delete(client: Annotated[str, ID], /, *, where: Where = HERE) -> None:
    """Remove a client with all that it holds. Its id is never given again."""

    async def use(platform: "Platform") -> dict[str, Any]:
        await platform.clients.delete(platform.tenant_id, client, actor=ACTOR)
        return {"client_id": client, "deleted": True}

    show(run(where, use), json=where.json)


def _fields(texts: list[str] | None) -> dict[str, Any]:
    """`name=value` by name; a value that is JSON is that, and any other is a text."""
    found: dict[str, Any] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise Failed(f"--set takes name=value, not {text!r}.")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def _key_set(path: Path | None) -> Any:
    """What the file says; whether it is a key is judged where it is registered."""
    if path is None:
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Failed(f"Cannot read {path}: {error.strerror}.") from None
    except ValueError:
        raise Failed(f"{path} is not JSON.") from None
    return {"keys": [found]} if isinstance(found, dict) and "kty" in found else found


def _document(made: Any) -> dict[str, Any]:
    found: dict[str, Any] = made.document()
    return found


def _show_secret(facts: dict[str, Any], where: Where) -> None:
    show(facts, json=where.json)
    if "client_secret" in facts and not where.json:
        say("Keep the secret now; it is not shown again.")
