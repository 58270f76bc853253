"""`safeconduct providers`: the catalogue, and our registration at each entry of it."""

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from safeconduct.cli import own_providers
from safeconduct.cli.opened import ACTOR, run
from safeconduct.cli.options import HERE, Where
from safeconduct.cli.show import Failed, secret_from, show, show_json, show_rows

if TYPE_CHECKING:
    from safeconduct.app import Platform
    from safeconduct.core.model import ProviderSetting

app = App(name="providers", help="Where users have accounts, and our registration there.")
own_providers.register(app)

ID = Parameter(help="Id of the provider, as the list has it.")


@app.command(name="list", help_epilogue="Example:\n\n  safeconduct providers list --json")
def list_(*, where: Where = HERE) -> None:
    """List the catalogue and what was added to it, and where users can link accounts."""

    async def use(platform: "Platform") -> list[dict[str, Any]]:
        settings = await platform.providers.settings(platform.tenant_id)
        ours = {setting.provider_id: setting for setting in settings}
        return [
            {"id": entry.id, "name": entry.name, **_facts(ours.get(entry.id))}
            for entry in await platform.providers.entries.all(platform.tenant_id)
        ]

    providers = run(where, use)
    if where.json:
        show_json({"providers": providers})
    else:
        columns = {"id": "Id", "name": "Name", "status": "Status", "client_id": "Our client id"}
        show_rows(providers, columns, "The catalogue is empty.")


@app.command(
    help_epilogue="""\
Examples:

  safeconduct providers configure exchangeExample --client-id abc --client-secret - < secret.txt
  safeconduct providers configure exchangeExample --client-id safeconduct-demo \\
      --client-secret safeconduct-demo-secret --base-url http://127.0.0.1:8401
  safeconduct providers configure keycloak --client-id abc --client-secret def \\
      --placeholder host=login.example.com
  safeconduct providers configure healthExample --client-id abc --client-secret def \\
      --webhook-secret whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
"""
)
def configure(
    provider: Annotated[str, ID],
    /,
    *,
    client_id: Annotated[
        str, Parameter(help="The id that the provider gave us; none where users enter keys.")
    ] = "",
    client_secret: Annotated[
        str | None,
        Parameter(
            allow_leading_hyphen=True,
            help="The secret that it gave us, kept in the vault; - reads it from standard input.",
        ),
    ] = None,
    base_url: Annotated[
        str | None, Parameter(help="Below which all its addresses lie: a simulator, a sandbox.")
    ] = None,
    placeholder: Annotated[
        tuple[str, ...],
        Parameter(
            help="What fills its URLs for everybody, NAME=VALUE; users are asked for the others.",
            negative="",
        ),
    ] = (),
    webhook_secret: Annotated[
        str | None,
        Parameter(
            allow_leading_hyphen=True,
            help="What the provider signs its webhooks to us with; - reads it from standard input.",
        ),
    ] = None,
    where: Where = HERE,
) -> None:
    """Enter our registration at a provider; users can link accounts there from now on."""
    from safeconduct.core.secret import Secret

    word, signing = secret_from(client_secret), secret_from(webhook_secret)

    async def use(platform: "Platform") -> dict[str, Any]:
        row = await platform.providers.configure(
            platform.tenant_id,
            provider,
            client_id=client_id,
            client_secret=None if word is None else Secret(word),
            base_url=base_url,
            placeholders=_pairs(placeholder),
            actor=ACTOR,
        )
        if signing is not None:
            await platform.providers.sign_with(
                platform.tenant_id, provider, Secret(signing), actor=ACTOR
            )
        return {"id": provider, **_facts(row)}

    show(run(where, use), json=where.json)


def _pairs(texts: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise Failed("--placeholder is NAME=VALUE.")
        found[name] = value
    return found


@app.command(help_epilogue="Example:\n\n  safeconduct providers disable exchangeExample")
def disable(provider: Annotated[str, ID], /, *, where: Where = HERE) -> None:
    """Stop offering a provider. Connections there stay, but are not used meanwhile."""
    _switch(provider, where, on=False)


@app.command(help_epilogue="Example:\n\n  safeconduct providers enable exchangeExample")
def enable(provider: Annotated[str, ID], /, *, where: Where = HERE) -> None:
    """Offer a provider again."""
    _switch(provider, where, on=True)


def _switch(provider: str, where: Where, *, on: bool) -> None:
    async def use(platform: "Platform") -> dict[str, Any]:
        await platform.providers.switch(platform.tenant_id, provider, on=on, actor=ACTOR)
        return {"id": provider, "status": "active" if on else "disabled"}

    show(run(where, use), json=where.json)


def _facts(row: "ProviderSetting | None") -> dict[str, Any]:
    if row is None:
        return {"status": "not configured", "client_id": None, "base_url": None, "site": None}
    return {
        "status": row.status,
        "client_id": row.client_id,
        "base_url": row.base_url,
        "site": row.site or None,
    }
