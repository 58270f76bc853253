"""`safeconduct providers add|show|change|remove`: providers that are not in the catalogue."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from safeconduct.cli.opened import ACTOR, run
from safeconduct.cli.options import HERE, Where
from safeconduct.cli.show import Failed, secret_from, show

if TYPE_CHECKING:
    from safeconduct.app import Platform
    from safeconduct.services.connections.own_providers import Client, Own


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is known of the provider. One of --issuer, --authorize-url, --mcp, --file says how."""

    issuer: Annotated[
        str | None, Parameter(help="An OpenID provider: its configuration is read there.")
    ] = None
    authorize_url: Annotated[
        str | None, Parameter(help="An OAuth 2 provider: where people sign in.")
    ] = None
    token_url: Annotated[str | None, Parameter(help="… and where codes are exchanged.")] = None
    revocation_url: Annotated[str | None, Parameter(help="… where tokens are given back.")] = None
    jwks_uri: Annotated[
        str | None, Parameter(help="… where its issuer's keys are, if it is asked for ID tokens.")
    ] = None
    identity_url: Annotated[str | None, Parameter(help="… and what says whose account it is.")] = (
        None
    )
    account_id: Annotated[
        str | None, Parameter(help="JSON pointer to the account's id in that answer, as /data/id.")
    ] = None
    mcp: Annotated[str | None, Parameter(help="An MCP server, by its address.")] = None
    file: Annotated[
        Path | None, Parameter(help="A whole entry in YAML or JSON, as the catalogue has them.")
    ] = None
    name: Annotated[str | None, Parameter(help="What people are shown.")] = None
    scope: Annotated[
        str | None, Parameter(help="What is asked for, separated by spaces in one argument.")
    ] = None
    pkce: Annotated[
        bool | None, Parameter(help="Whether an OAuth 2 provider takes PKCE; it does by default.")
    ] = None
    api_base_url: Annotated[str | None, Parameter(help="Below which the proxy sends requests.")] = (
        None
    )
    endpoint_origin: Annotated[
        tuple[str, ...],
        Parameter(
            negative=(), help="An origin where endpoints may lie beside the issuer's. Repeatable."
        ),
    ] = ()
    client_id: Annotated[str | None, Parameter(help="The id that the provider gave us.")] = None
    client_secret: Annotated[
        str | None,
        Parameter(
            allow_leading_hyphen=True,
            help="The secret that it gave us, kept in the vault; - reads it from standard input.",
        ),
    ] = None


NOTHING = Asked()


def add(
    *,
    id: Annotated[str | None, Parameter(help="Its id here; made of its name without.")] = None,
    asked: Asked = NOTHING,
    where: Where = HERE,
) -> None:
    """Add a provider that is not in the catalogue; users can link accounts there from now on."""
    client = _client(asked)

    async def use(platform: "Platform") -> dict[str, Any]:
        body = _body(platform, asked) | ({"id": id} if id else {})
        own = await platform.own_providers.add(
            platform.tenant_id, body, client or _nobody(), actor=ACTOR
        )
        return _facts(own)

    show(run(where, use), json=where.json)


def change(
    provider: Annotated[str, Parameter(help="Its id.")],
    /,
    *,
    asked: Asked = NOTHING,
    where: Where = HERE,
) -> None:
    """Change a provider that was added; what it publishes is read again.

    Whoever is on the way there finishes by what was.
    """
    client = _client(asked)

    async def use(platform: "Platform") -> dict[str, Any]:
        body = _body(platform, asked)
        own = await platform.own_providers.change(
            platform.tenant_id, provider, body, client, actor=ACTOR
        )
        return _facts(own)

    show(run(where, use), json=where.json)


def show_(provider: Annotated[str, Parameter(help="Its id.")], /, *, where: Where = HERE) -> None:
    """Show a provider that was added, with its entry."""

    async def use(platform: "Platform") -> dict[str, Any]:
        own = await platform.own_providers.show(platform.tenant_id, provider)
        return {**_facts(own), "entry": own.row.document}

    show(run(where, use), json=where.json)


def remove(provider: Annotated[str, Parameter(help="Its id.")], /, *, where: Where = HERE) -> None:
    """Remove a provider that was added. Accounts linked there are unlinked, and it is told."""

    async def use(platform: "Platform") -> dict[str, Any]:
        await platform.own_providers.remove(platform.tenant_id, provider, actor=ACTOR)
        return {"id": provider, "removed": True}

    show(run(where, use), json=where.json)


def register(app: App) -> None:
    """Put the commands beside those for the catalogue's own."""
    app.command(
        add,
        help_epilogue="""\
Examples:

  safeconduct providers add --issuer https://login.acme.example --client-id abc --client-secret -
  safeconduct providers add --id acme --authorize-url https://acme.example/authorize \\
      --token-url https://acme.example/token --identity-url https://acme.example/me \\
      --account-id /id --scope "files:read offline" --client-id abc --client-secret - < secret
  safeconduct providers add --mcp https://mcp.acme.example/mcp
  safeconduct providers add --file acme.yaml --client-id abc --client-secret - --json
""",
    )
    app.command(
        change,
        help_epilogue='Example:\n\n  safeconduct providers change acme --scope "files:read"',
    )
    app.command(
        show_, name="show", help_epilogue="Example:\n\n  safeconduct providers show acme --json"
    )
    app.command(remove, help_epilogue="Example:\n\n  safeconduct providers remove acme")


def _body(platform: "Platform", asked: Asked) -> dict[str, Any]:
    if asked.file is not None:
        try:
            return {"kind": "entry", "entry": platform.catalog.parse(asked.file.read_bytes())}
        except ValueError as error:
            raise Failed(f"{asked.file}: {error}.") from None
    given = {
        "issuer": asked.issuer,
        "authorize_url": asked.authorize_url,
        "token_url": asked.token_url,
        "revocation_url": asked.revocation_url,
        "jwks_uri": asked.jwks_uri,
        "identity_url": asked.identity_url,
        "account_id": asked.account_id,
        "url": asked.mcp,
        "name": asked.name,
        "scopes": None if asked.scope is None else asked.scope.split(),
        "pkce": None if asked.pkce is None else "S256" if asked.pkce else "none",
        "api_base_url": asked.api_base_url,
        "endpoint_origins": list(asked.endpoint_origin) or None,
    }
    return {name: value for name, value in given.items() if value is not None}


def _client(asked: Asked) -> "Client | None":
    from safeconduct.core.secret import Secret
    from safeconduct.services.connections.own_providers import Client

    secret = secret_from(asked.client_secret)
    if asked.client_id is None and secret is None:
        return None
    return Client(id=asked.client_id, secret=None if secret is None else Secret(secret))


def _nobody() -> "Client":
    from safeconduct.services.connections.own_providers import Client

    return Client()


def _facts(own: "Own") -> dict[str, Any]:
    code = own.provider.auth.oauth2_code
    return {
        "id": own.row.id,
        "name": own.provider.name,
        "kind": own.row.kind,
        "version": own.row.version,
        "auth_modes": list(own.provider.auth.modes),
        "issuer": code.issuer if code else None,
        "scopes": list(code.scopes) if code else [],
        "mcp_url": own.provider.mcp.url if own.provider.mcp else None,
        "registering": code.registering.by if code and code.registering else None,
    }
