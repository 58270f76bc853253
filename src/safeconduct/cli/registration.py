"""`safeconduct registration`: who may register clients beside the operator."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from safeconduct.cli.opened import ACTOR, run
from safeconduct.cli.options import HERE, Where
from safeconduct.cli.show import Failed, say, show, show_json, show_rows

if TYPE_CHECKING:
    from safeconduct.app import Platform

app = App(
    name="registration",
    help="Who may register apps beside you; `SAFECONDUCT_REGISTRATION` says whether anybody may.",
)


@app.command(
    help_epilogue="""\
Examples:

  safeconduct registration token --note "Partner portal"
  safeconduct registration token --uses 0 --days 30 --scope "openid email"
  safeconduct registration token --grant-type client_credentials --scope connections:admin --json
"""
)
def token(
    *,
    note: Annotated[str, Parameter(help="Whom it is for.")] = "",
    uses: Annotated[int, Parameter(help="How many apps it registers; 0 for any number.")] = 1,
    days: Annotated[float, Parameter(help="How long it works.")] = 1.0,
    grant_type: Annotated[
        list[str] | None,
        Parameter(help="What its apps may use. May be repeated.", negative=()),
    ] = None,
    scope: Annotated[
        str | None, Parameter(help="All that its apps may ask for; by default what users give.")
    ] = None,
    where: Where = HERE,
) -> None:
    """Make an initial access token (RFC 7591 §3), printed once."""
    from safeconduct.core.scopes import SCOPES, parse_scope
    from safeconduct.core.self_registration import FOR_ANYBODY

    words = frozenset(SCOPES) if scope is None else parse_scope(scope)
    if words is None:
        raise Failed("Scopes are words, separated by single spaces.")

    async def use(platform: "Platform") -> dict[str, Any]:
        from safeconduct.web.api.registration import token_facts

        row, text = await platform.vouching.create(
            platform.tenant_id,
            actor=ACTOR,
            note=note,
            uses=uses or None,
            days=days,
            grant_types=tuple(grant_type or FOR_ANYBODY),
            scope=words,
        )
        return {**token_facts(row), "token": text.reveal()}

    show(run(where, use), json=where.json)
    if not where.json:
        say("Keep the token now; it is not shown again.")


@app.command(help_epilogue="Example:\n\n  safeconduct registration tokens --json")
def tokens(*, where: Where = HERE) -> None:
    """List the initial access tokens that still let somebody in."""

    async def use(platform: "Platform") -> list[dict[str, Any]]:
        from safeconduct.web.api.registration import token_facts

        return [token_facts(row) for row in await platform.vouching.list(platform.tenant_id)]

    rows = run(where, use)
    if where.json:
        show_json({"tokens": rows})
    else:
        columns = {"id": "Id", "note": "For", "uses_left": "Uses left", "expires_at": "Until"}
        show_rows(rows, columns, "No tokens: safeconduct registration token --help")


@app.command(help_epilogue="Example:\n\n  safeconduct registration revoke iat_01…")
def revoke(
    token: Annotated[str, Parameter(help="Id of the token.")], /, *, where: Where = HERE
) -> None:
    """End an initial access token. Apps that were registered with it stay."""

    async def use(platform: "Platform") -> dict[str, Any]:
        await platform.vouching.revoke(platform.tenant_id, token, actor=ACTOR)
        return {"id": token, "revoked": True}

    show(run(where, use), json=where.json)


@app.command(
    help_epilogue="""\
Examples:

  safeconduct registration trust https://directory.example --jwks keys.json
  safeconduct registration trust https://directory.example --jwks-uri https://directory.example/jwks
"""
)
def trust(
    issuer: Annotated[str, Parameter(help="The `iss` of its software statements.")],
    /,
    *,
    jwks: Annotated[Path | None, Parameter(help="File with its public keys (JWK Set).")] = None,
    jwks_uri: Annotated[str | None, Parameter(help="Where it publishes its keys.")] = None,
    where: Where = HERE,
) -> None:
    """Believe the software statements of an issuer (RFC 7591 §2.3)."""
    from json import JSONDecodeError, loads

    try:
        keys = None if jwks is None else loads(jwks.read_text(encoding="utf-8"))
    except (OSError, JSONDecodeError, UnicodeDecodeError):
        raise Failed(f"{jwks} cannot be read as JSON.") from None

    async def use(platform: "Platform") -> dict[str, Any]:
        from safeconduct.web.api.registration import issuer_facts

        return issuer_facts(
            await platform.vouching.trust(
                platform.tenant_id, issuer, actor=ACTOR, jwks=keys, jwks_uri=jwks_uri
            )
        )

    show(run(where, use), json=where.json)


@app.command(help_epilogue="Example:\n\n  safeconduct registration trusted --json")
def trusted(*, where: Where = HERE) -> None:
    """List the issuers whose software statements are believed."""

    async def use(platform: "Platform") -> list[dict[str, Any]]:
        from safeconduct.web.api.registration import issuer_facts

        return [issuer_facts(row) for row in await platform.vouching.trusted(platform.tenant_id)]

    rows = run(where, use)
    if where.json:
        show_json({"issuers": rows})
    else:
        columns = {"issuer": "Issuer", "jwks_uri": "Keys at", "created_at": "Since"}
        show_rows(rows, columns, "Nobody: safeconduct registration trust --help")


@app.command(help_epilogue="Example:\n\n  safeconduct registration distrust https://dir.example")
def distrust(
    issuer: Annotated[str, Parameter(help="The issuer.")], /, *, where: Where = HERE
) -> None:
    """Believe no further statement of an issuer. Apps that were registered stay."""

    async def use(platform: "Platform") -> dict[str, Any]:
        await platform.vouching.distrust(platform.tenant_id, issuer, actor=ACTOR)
        return {"issuer": issuer, "trusted": False}

    show(run(where, use), json=where.json)
