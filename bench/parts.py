"""`python -m bench.parts`: what a token request spends its time on, part by part, on SQLite.

Each part is called by itself, as the request calls it, and its CPU time is taken. HTTP is what a
server costs whose handler answers with a constant. What the parts do not add up to is the rest:
tasks, callbacks, and caches that are colder in the whole than in the parts.
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any
from urllib.parse import urlencode

import uvloop
from msgspec.json import encode
from rich.console import Console
from rich.table import Table

from bench.load import closed_loop
from bench.measure import deal
from bench.processes import LOAD_CORE, SERVER_CORE, Process, pin, scratch, spawn
from bench.report import into_page
from bench.safeconduct import fill, start_safeconduct
from bench.sources import ClientCredentials, Refresh, Target
from safeconduct.app import Platform, opened
from safeconduct.cli.staging import free_row
from safeconduct.core.client_auth import read_client
from safeconduct.core.grants._grant import Issue
from safeconduct.core.sender import UNBOUND
from safeconduct.core.unit import Done, Facts, Update
from safeconduct.settings import load
from safeconduct.web.kit.forms import form_of, only
from safeconduct.web.kit.http import Request

BEGIN = "<!-- parts: python -m bench.parts --publish -->"
CALLS = 20_000
AT_ONCE = 32
CONSTANT = """
import sys, uvloop
from safeconduct.web.kit.http import Answer
from safeconduct.web.kit.server import Listen, serve
body = b'{"access_token":"%s","token_type":"Bearer"}' % (b"x" * 600)
headers = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))
async def hot(request):
    return Answer(200, headers, body)
uvloop.run(serve(None, {"/oauth2/token": hot}, Listen(port=int(sys.argv[1]))))
"""

Part = Callable[[int], Awaitable[Any]]


class Anything(ClientCredentials):
    """Takes every answer."""

    def judge(self, status: int, body: bytes) -> None: ...


@dataclass(slots=True)
class Asked:
    """One token request, ready to be taken apart."""

    platform: Platform
    requests: Sequence[Request]

    async def parts(self) -> dict[str, float]:
        p, tokens = self.platform, self.platform.tokens
        requests, size = self.requests, len(self.requests)
        forms = [form_of(request) for request in requests]
        shown = [read_client(only(r, b"authorization"), form_of(r)) for r in requests]
        client = await p.authentication.authenticate(shown[0])
        keys = p.keys.of(client.tenant_id)
        grant = tokens.grants[forms[0]["grant_type"]]
        contexts = [tokens._context(client, grant, keys, UNBOUND, None) for _ in requests]
        asks = [grant.parse(form) for form in forms]
        reads = [grant.reads(a, Facts({}), c) for a, c in zip(asks, contexts, strict=True)]
        facts = [await p.store.facts(each) if each else Facts({}) for each in reads]
        verdict = grant.decide(asks[0], facts[0], contexts[0])
        assert isinstance(verdict, Issue)
        claims = verdict.access
        assert isinstance(claims, Mapping)
        answer = await tokens._render(verdict, client, "Bearer")

        async def form(at: int) -> None:
            request = requests[at % size]
            read_client(only(request, b"authorization"), form_of(request))

        async def authenticate(at: int) -> None:
            await p.authentication.authenticate(shown[at % size])

        async def context(at: int) -> None:
            tokens._context(client, grant, keys, UNBOUND, None)

        async def decide(at: int) -> None:
            i = at % size
            ask = grant.parse(forms[i])
            grant.reads(ask, facts[i], contexts[i])
            grant.decide(ask, facts[i], contexts[i])

        async def sign(at: int) -> None:
            keys.signer.sign(claims, typ="at+jwt")

        async def render(at: int) -> None:
            encode(answer)

        parts: dict[str, Part] = {
            "form and client authentication, read": form,
            "client, found and its secret compared": authenticate,
            "ids and keys for the decision": context,
            "decision: checks, claims, successor, event": decide,
            "ES256 signature": sign,
            "JSON of the answer": render,
        }
        found = {name: await cost(part) for name, part in parts.items()}
        if reads[0]:
            found["store: lock, read, write, COMMIT"] = await self._store(reads, contexts)
        return found

    async def _store(self, reads: Sequence[Any], contexts: Sequence[Any]) -> float:
        """The rows of the real decision, written again and again, with events of their own."""
        p, grant = self.platform, self.platform.tokens.grants["refresh_token"]
        asks = [grant.parse(form_of(request)) for request in self.requests]
        tokens, size = p.tokens, len(self.requests)
        client = contexts[0].client
        keys = p.keys.of(client.tenant_id)
        spent = 0.0

        async def run(at: int) -> None:
            nonlocal spent
            i = at % size
            began = process_time()
            fresh = tokens._context(client, grant, keys, UNBOUND, None)
            facts = await p.store.facts(reads[i])
            verdict = grant.decide(asks[i], facts, fresh)
            spent += process_time() - began
            (change,) = [write for write in verdict.writes if isinstance(write, Update)]
            others = [write for write in verdict.writes if write is not change]
            same = {name: getattr(facts.get(reads[i][0]), name) for name in change.set}
            await p.store.run(reads[i], lambda _: Done(None, (Update(change.ref, same), *others)))

        before = process_time()
        await together(run, CALLS)
        return (process_time() - before - spent) / CALLS * 1e6


async def cost(part: Part) -> float:
    """CPU microseconds of a call."""
    for at in range(500):
        await part(at)
    before = process_time()
    for at in range(CALLS):
        await part(at)
    return (process_time() - before) / CALLS * 1e6


async def together(part: Part, calls: int) -> None:
    async def caller(first: int) -> None:
        for at in range(first, calls, AT_ONCE):
            await part(at)

    await asyncio.gather(*(caller(first) for first in range(AT_ONCE)))


async def take_apart(folder: Path) -> dict[str, dict[str, float]]:
    (port,) = free_row(1)
    url = f"sqlite:///{folder / 'parts.db'}"
    flags = {"database": url, "data_dir": str(folder / "data"), "port": port}
    client_id, secret, tokens, _ = await fill(flags, 256)
    target = Target("", "127.0.0.1", port, "/oauth2/token", "", client_id, secret)
    async with opened(load({}, flags).settings, serving=True) as platform:
        cc = [request(target, grant_type="client_credentials", scope="assets:read")]
        rt = [request(target, grant_type="refresh_token", refresh_token=each) for each in tokens]
        return {
            "client_credentials": await Asked(platform, cc).parts(),
            "refresh": await Asked(platform, rt).parts(),
        }


def request(target: Target, **form: str) -> Request:
    """The request as the server would hand it over."""
    head, _, body = target.post(target.token_path, **form).partition(b"\r\n\r\n")
    lines = [line.split(b": ", 1) for line in head.split(b"\r\n")[1:]]
    assert body == urlencode(form).encode()
    return Request("POST", target.token_path, b"", [(n, v) for n, v in lines], body, "127.0.0.1")


def http_alone(folder: Path, seconds: float) -> float:
    (port,) = free_row(1)
    command = [sys.executable, "-c", CONSTANT, str(port)]
    popen = spawn(command, env={}, log=folder / "constant.log")
    server = Process(popen.pid, popen)
    target = Target("", "127.0.0.1", port, "/oauth2/token", "", "c" * 30, "s" * 80)
    try:
        return per_request(server, target, [Anything(target) for _ in range(AT_ONCE)], seconds)
    finally:
        server.stop()


def per_request(server: Process, target: Target, sources: Sequence[Any], seconds: float) -> float:
    """CPU microseconds of the server for each request at full speed."""
    taken: list[float] = []
    for _ in range(100):
        try:
            tally = closed_loop(
                target.address,
                sources,
                seconds=seconds,
                at_start=lambda: taken.append(server.cpu_seconds()),
                at_end=lambda: taken.append(server.cpu_seconds()),
            )
            return (taken[-1] - taken[-2]) / len(tally.latencies) * 1e6
        except ConnectionRefusedError:  # it is still starting
            asyncio.run(asyncio.sleep(0.05))
    raise RuntimeError("the server did not start")


def whole(folder: Path, seconds: float) -> dict[str, float]:
    url = f"sqlite:///{folder / 'whole.db'}"
    with start_safeconduct("Safeconduct", url, folder / "whole", 1_024) as subject:
        chains = deal(subject.refresh_tokens, AT_ONCE)
        sources: dict[str, Sequence[Any]] = {
            "client_credentials": [ClientCredentials(subject.target) for _ in range(AT_ONCE)],
            "refresh": [Refresh(subject.target, chain) for chain in chains],
        }
        return {
            name: per_request(subject.server, subject.target, each, seconds)
            for name, each in sources.items()
        }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.parts", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--publish", action="store_true", help="put it into the documentation")
    given = parser.parse_args()
    with scratch() as folder:
        (folder / "whole").mkdir()
        pin(SERVER_CORE)
        parts = uvloop.run(take_apart(folder))
        pin(LOAD_CORE)
        http = http_alone(folder, given.seconds)
        totals = whole(folder, given.seconds)
    console = Console()
    out: dict[str, dict[str, float]] = {}
    for name, each in parts.items():
        rest = totals[name] - http - sum(each.values())
        out[name] = {
            "HTTP: epoll, read, parse, task, one write": http,
            **each,
            "the rest": rest,
            "total": totals[name],
        }
        table = Table(title=name.replace("_", " "), title_justify="left")
        table.add_column("part")
        table.add_column("µs", justify="right")
        table.add_column("share", justify="right")
        for part, micros in out[name].items():
            table.add_row(part, f"{micros:.1f}", f"{micros / totals[name]:.0%}")
        console.print(table)
    if given.publish:
        into_page(BEGIN, "\n" + markdown(out))


def markdown(found: Mapping[str, Mapping[str, float]]) -> str:
    lines = ["| Part | " + " | ".join(name.replace("_", " ") for name in found) + " |"]
    lines.append("|---" + "|--:" * len(found) + "|")
    for part in list(found["refresh"]):
        cells = [f"{each[part]:.1f}" if part in each else "–" for each in found.values()]
        lines.append(f"| {part} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
