"""`safeconduct serve`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from safeconduct.cli.opened import sentences
from safeconduct.cli.options import HERE, Where
from safeconduct.cli.show import Failed, say

if TYPE_CHECKING:
    from safeconduct.app import Platform
    from safeconduct.cli.log_lines import Lines
    from safeconduct.settings import Settings
    from safeconduct.web.kit.metrics import Metrics
    from safeconduct.web.kit.proxies import Proxies

app = App(
    name="serve",
    help_epilogue="""\
The first start on an empty database migrates it, makes the keys, and prints a link with which the
first administrator is made. SIGTERM answers what has begun and stops.

Examples:

  safeconduct serve
  safeconduct serve --issuer https://id.example --tls-cert chain.pem --tls-key key.pem --port 443
  safeconduct serve --database postgresql://safeconduct@localhost/safeconduct --workers 2
""",
)


@app.default
def serve(
    *,
    host: Annotated[str | None, Parameter(help="Address to listen on.")] = None,
    port: Annotated[int | None, Parameter(help="Port to listen on.")] = None,
    issuer: Annotated[
        str | None, Parameter(help="Public origin of this server, as its clients see it.")
    ] = None,
    workers: Annotated[
        int | None, Parameter(help="Serving processes; more than one needs PostgreSQL.")
    ] = None,
    tls_cert: Annotated[Path | None, Parameter(help="Certificate chain, to serve TLS.")] = None,
    tls_key: Annotated[Path | None, Parameter(help="Private key of the certificate.")] = None,
    simulators: Annotated[
        str | None, Parameter(help="Origin of safeconduct simulate, to use its providers.")
    ] = None,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None, Parameter(help="How much to log.")
    ] = None,
    ready_file: Annotated[
        Path | None, Parameter(help="Made when it listens, removed when it stops.")
    ] = None,
    where: Where = HERE,
) -> int:
    """Serve, making the database and the keys at the first start."""
    settings = where.settings(
        host=host,
        port=port,
        issuer=issuer,
        workers=workers,
        tls_cert=tls_cert,
        tls_key=tls_key,
        simulators=simulators,
        log_level=log_level,
    )
    from safeconduct.cli.logs import configure

    lines = configure(settings.log_level)
    with sentences():
        return _run(settings, ready_file, lines)


def _run(settings: "Settings", ready_file: Path | None, lines: "Lines") -> int:
    import uvloop

    if settings.workers == 1:
        uvloop.run(_serve(settings, ready_file, lines))
        return 0
    from safeconduct.web.kit.workers import supervise

    # Schema, keys and link once, before several processes would do so at the same moment.
    uvloop.run(_prepare(settings))

    def work(number: int) -> int:
        uvloop.run(_serve(settings, ready_file if number == 0 else None, lines, number))
        return 0

    return supervise(work, settings.workers)


async def _prepare(settings: "Settings") -> None:
    from safeconduct.app import opened

    async with opened(settings) as platform:
        await _offer_setup(platform)


async def _serve(
    settings: "Settings", ready_file: Path | None, lines: "Lines", number: int = 0
) -> None:
    from safeconduct.app import opened, web_of, working
    from safeconduct.web.kit.metrics import Metrics
    from safeconduct.web.kit.server import Listen, serve

    metrics = Metrics() if settings.metrics_port else None
    if metrics is not None:
        metrics.log_dropped(lambda: lines.dropped)

    shared = settings.workers > 1
    listen = Listen(
        host=settings.host,
        port=settings.port,
        tls_cert=settings.tls_cert,
        tls_key=settings.tls_key,
        ask_certificates=settings.client_certificates == "tls",
        proxies=_proxies(settings),
        ready_file=ready_file,
        share_port=shared,
    )
    async with (
        opened(settings, serving=True) as platform,
        working(platform, metrics),
        _measured(settings, metrics, number),
    ):
        web = web_of(platform, settings.surface_of_host, metrics)
        if not shared:
            await _offer_setup(platform)
        try:
            await serve(web.app, web.hot, listen, on_ready=lambda port: _ready(settings, port))
        except OSError as error:
            raise Failed(
                f"Cannot listen on {settings.host} port {settings.port}: {error.strerror}."
            ) from None


@asynccontextmanager
async def _measured(
    settings: "Settings", metrics: "Metrics | None", number: int
) -> AsyncIterator[None]:
    """`/metrics` on a port of its own while inside."""
    if metrics is None:
        yield
        return
    from safeconduct.web.kit.server import Listen, Server

    host, port = settings.metrics_host, settings.metrics_port + number
    server = Server(metrics.app, {}, Listen(host=host, port=port))
    try:
        await server.start()
    except OSError as error:
        raise Failed(f"Cannot listen on {host} port {port}: {error.strerror}.") from None
    try:
        yield
    finally:
        await server.stop()


def _proxies(settings: "Settings") -> "Proxies | None":
    from safeconduct.web.kit.proxies import Proxies

    if not settings.trusted_proxies:
        return None
    shown = settings.client_certificates == "proxy"
    header = settings.client_certificate_header if shown else None
    return Proxies(settings.trusted_proxies, header)


def _ready(settings: "Settings", port: int) -> None:
    say(f"Serving {settings.issuer} on {settings.host} port {port}.")


async def _offer_setup(platform: "Platform") -> None:
    """Print the link with which the first administrator is made, until it has been used."""
    token = await platform.setup.offer(platform.tenant_id)
    if token is not None:
        say(f"Make the first administrator: {platform.issuer}/setup?token={token}")
