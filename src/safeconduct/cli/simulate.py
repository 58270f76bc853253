"""`safeconduct simulate`: providers to try everything against."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from safeconduct.cli.show import Failed, say
from safeconduct.cli.signals import until_told

app = App(
    name="simulate",
    help_epilogue="""\
Every provider is made from its catalogue entry: sign-in and consent pages, tokens with single-use
rotation, accounts, transactions. /_sim/ledger says what became of each grant, /_sim/faults makes
things go wrong. It answers on loopback only.

Examples:

  safeconduct simulate
  safeconduct simulate exchangeExample --port 8401 --ready-file /tmp/simulator
  safeconduct serve --simulators http://127.0.0.1:8401
""",
)


@app.default
def simulate(
    *ids: Annotated[str, Parameter(help="Providers to be; all of the catalogue without any.")],
    port: Annotated[int, Parameter(help="Port to listen on; 0 takes a free one.")] = 8401,
    ready_file: Annotated[
        Path | None, Parameter(help="Written when it answers, with the port in it.")
    ] = None,
    client_id: Annotated[str | None, Parameter(help="The client that it knows.")] = None,
    client_secret: Annotated[str | None, Parameter(help="That client's secret.")] = None,
    redirect_uri: Annotated[
        list[str] | None,
        Parameter(help="Where codes may go; any loopback address without.", negative=()),
    ] = None,
    access_lifetime: Annotated[
        int | None, Parameter(help="Seconds that access tokens live, instead of the catalogue's.")
    ] = None,
) -> None:
    """Be the providers of the catalogue, with a ledger and faults to switch on."""
    import asyncio

    from safeconduct.adapters.catalog import load_catalog
    from safeconduct.simulator import CLIENT_ID, CLIENT_SECRET, serve_simulator, speaks

    catalog = load_catalog()
    if unknown := [id for id in ids if catalog.get(id) is None]:
        known = ", ".join(provider.id for provider in catalog.all())
        raise Failed(f"The catalogue has no {', '.join(unknown)}. It has {known}.")
    chosen = [provider for provider in catalog.all() if not ids or provider.id in ids]
    providers = [provider for provider in chosen if speaks(provider)]
    if ids and (mute := sorted({one.id for one in chosen} - {one.id for one in providers})):
        raise Failed(f"{', '.join(mute)}: a protocol of its own, which is not simulated.")

    def ready(bound: int) -> None:
        if ready_file is not None:
            draft = ready_file.with_name(f".{ready_file.name}.{os.getpid()}")
            draft.write_text(f"{bound}\n", encoding="ascii")
            draft.replace(ready_file)  # whole or not at all
        say(f"Simulating {len(providers)} on http://127.0.0.1:{bound}")

    async def work() -> None:
        await until_told(
            serve_simulator(
                providers,
                "127.0.0.1",
                port,
                ready,
                client_id=client_id or CLIENT_ID,
                client_secret=client_secret or CLIENT_SECRET,
                redirect_uris=redirect_uri or (),
                access_lifetime_s=access_lifetime,
            )
        )

    try:
        asyncio.run(work())
    except OSError as error:
        raise Failed(f"Cannot listen on port {port}: {error.strerror}.") from None
    finally:
        if ready_file is not None:
            ready_file.unlink(missing_ok=True)
