"""`safeconduct demo`: everything to try it, and a walk through all of it without a browser."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from safeconduct.cli.opened import sentences
from safeconduct.cli.show import Failed, say, show_json
from safeconduct.cli.signals import until_told

if TYPE_CHECKING:
    from safeconduct.cli.staging import Ports, Staged

app = App(
    name="demo",
    help_epilogue="""\
Starts Safeconduct, a simulated exchange, a third-party app and a mail catcher on loopback, with
data that is gone when it stops. With --headless it walks the whole journey instead, prints what
was exchanged with secrets cut short, and ends with status 0 only if all of it worked.

Examples:

  safeconduct demo
  safeconduct demo --port 9000
  safeconduct demo --headless
""",
)

SHORT_S = 6  # so that the walk sees the exchange's tokens renewed


@app.default
def demo(
    *,
    headless: Annotated[
        bool, Parameter(help="Walk the whole journey and end.", negative=())
    ] = False,
    port: Annotated[
        int | None, Parameter(help="First of four ports in a row; 8400, or any with --headless.")
    ] = None,
    json: Annotated[bool, Parameter(help="Print one JSON document.", negative=())] = False,
) -> int:
    """Server, exchange, app and mail catcher on this machine; everything to try it."""
    from importlib.util import find_spec

    import uvloop

    from safeconduct.cli.logs import configure
    from safeconduct.cli.staging import Ports, free_ports

    if not all(find_spec(name) for name in ("aiosmtpd", "authlib", "httpx2")):
        raise Failed("The demo needs a few packages more: pip install 'safeconduct[demo]'")

    configure("error" if headless else "warning")
    if port is None:
        ports = free_ports() if headless else Ports()
    else:
        ports = Ports(*range(port, port + 4))
    with sentences(), tempfile.TemporaryDirectory(prefix="safeconduct-demo-") as folder:
        if headless:
            return uvloop.run(_walk(Path(folder), ports, json))
        uvloop.run(until_told(_show(Path(folder), ports, json)))
    return 0


async def _show(folder: Path, ports: "Ports", json: bool) -> None:
    import asyncio

    from safeconduct.cli.staging import staged

    async with staged(folder, ports) as stage:
        if json:
            show_json(stage.facts())
        else:
            print(_banner(stage), flush=True)
        await asyncio.Event().wait()


async def _walk(folder: Path, ports: "Ports", json: bool) -> int:
    from safeconduct.cli.staging import ADA, staged
    from safeconduct.cli.telling import Quiet, Terminal
    from safeconduct.core.model import Credential
    from safeconduct.core.unit import Find
    from safeconduct.demo.report import Report, WalkFailed
    from safeconduct.demo.walk import Walk
    from safeconduct.demo.witness import Stage

    async with staged(folder, ports, access_lifetime=SHORT_S) as stage:
        platform = stage.platform

        async def credentials() -> int:
            rows = Find(Credential, {"tenant_id": platform.tenant_id})
            return len(await platform.store.find(rows))

        report = Report(Quiet() if json else Terminal())
        where = Stage(
            issuer=stage.safeconduct,
            app=stage.app,
            provider=stage.provider,
            newcomer="grace@example.com",
            email=ADA.email,
            password=ADA.password,
            credentials=credentials,
        )
        try:
            await Walk(where, report).run()
            failure = None
        except WalkFailed as error:
            failure = str(error)
        if json:
            show_json({"worked": failure is None, "failure": failure, "steps": report.as_json()})
    if failure is not None:
        raise Failed(failure)
    say(f"All {len(report.steps)} steps worked.")
    return 0


def _banner(stage: "Staged") -> str:
    from safeconduct.cli.staging import ADA, ADMIN

    return f"""
  Start here     {stage.app}        Fernhill, a third-party app
  Safeconduct    {stage.safeconduct}        sign in, consent, account
  Mail           {stage.mail}  what Safeconduct would have mailed
  Exchange       {stage.provider}        a simulated provider: user mira, password demo

  Accounts       {ADA.email:<18} password: {ADA.password}
                 {ADMIN.email:<18} password: {ADMIN.password} (administrator)
                 or sign up with any e-mail address; the code arrives on the mail page

  Ctrl-C stops everything. Nothing is kept, and nothing leaves this machine.
"""
