"""`safeconduct issuers`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from safeconduct.cli.opened import ACTOR, run
from safeconduct.cli.options import HERE, Where
from safeconduct.cli.show import Failed, show, show_json, show_rows

if TYPE_CHECKING:
    from safeconduct.app import Platform

app = App(name="issuers", help="Other issuers whose JWTs are exchanged for tokens of ours.")

ID = Parameter(help="Id or identifier of the issuer.")


@app.command(
    help_epilogue="""\
Examples:

  safeconduct issuers trust https://idp.example.com --jwks-uri https://idp.example.com/jwks \\
      --client cli_01…
  safeconduct issuers trust https://idp.example.com --jwks keys.json --client cli_01… \\
      --subject email --consents
"""
)
def trust(
    issuer: Annotated[str, Parameter(help="What its JWTs say in iss.")],
    /,
    *,
    client: Annotated[list[str], Parameter(negative=(), help="Who may bring its JWTs. Repeats.")],
    jwks_uri: Annotated[str | None, Parameter(help="Where it publishes its keys.")] = None,
    jwks: Annotated[Path | None, Parameter(help="A file with its keys.")] = None,
    name: Annotated[str | None, Parameter(help="What to call it.")] = None,
    subject: Annotated[
        Literal["user_id", "email"], Parameter(help="How it names our users.")
    ] = "user_id",
    audience: Annotated[
        list[str] | None, Parameter(negative=(), help="What aud may be beside us. Repeats.")
    ] = None,
    scope: Annotated[str | None, Parameter(help="All that its JWTs can be worth.")] = None,
    consents: Annotated[
        bool, Parameter(negative=(), help="Its word stands for the user's consent.")
    ] = False,
    max_lifetime: Annotated[int, Parameter(help="Seconds from issue to expiry.")] = 3_600,
    where: Where = HERE,
) -> None:
    """Take an issuer's JWTs as grants (RFC 7523) and as subjects of token exchange (RFC 8693)."""
    from safeconduct.core.trusted_issuer import document

    asked: dict[str, Any] = {
        "issuer": issuer,
        "client_ids": client,
        "jwks_uri": jwks_uri,
        "jwks": None if jwks is None else _keys(jwks),
        "name": name,
        "subject": subject,
        "audiences": audience,
        "scope": scope,
        "consents": consents,
        "max_lifetime": max_lifetime,
    }
    data = {field: value for field, value in asked.items() if value is not None}

    async def use(platform: "Platform") -> dict[str, Any]:
        row = await platform.trusted_issuers.create(platform.tenant_id, data, actor=ACTOR)
        return document(row)

    show(run(where, use), json=where.json)


@app.command(name="list", help_epilogue="Example:\n\n  safeconduct issuers list --json")
def list_(*, where: Where = HERE) -> None:
    """List the issuers that are trusted."""
    from safeconduct.core.trusted_issuer import document

    async def use(platform: "Platform") -> list[dict[str, Any]]:
        return [document(row) for row in await platform.trusted_issuers.list(platform.tenant_id)]

    rows = run(where, use)
    if where.json:
        show_json({"issuers": rows})
    else:
        columns = {"id": "Id", "issuer": "Issuer", "name": "Name", "subject": "Names users by"}
        show_rows(rows, columns, "No issuers yet: safeconduct issuers trust --help")


@app.command(help_epilogue="Example:\n\n  safeconduct issuers distrust https://idp.example.com")
def distrust(issuer: Annotated[str, ID], /, *, where: Where = HERE) -> None:
    """Take its JWTs no more."""

    async def use(platform: "Platform") -> dict[str, Any]:
        await platform.trusted_issuers.delete(platform.tenant_id, issuer, actor=ACTOR)
        return {"issuer": issuer, "trusted": False}

    show(run(where, use), json=where.json)


def _keys(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise Failed(f"{path} is not JSON.") from None
