"""Whatever bytes arrive at the back channel: a 4xx that says what is wrong, never a 5xx."""

import asyncio
import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.back import FORM, Back, back_of, basic_of
from tests.conftest import SettableClock

from safeconduct.adapters.clock import SystemMint
from safeconduct.adapters.store import open_store

PATHS = (
    "/oauth2/token",
    "/oauth/token",
    "/oauth2/introspect",
    "/oauth2/revoke",
    "/oauth2/userinfo",
    "/oauth2/jwks",
    "/.well-known/openid-configuration",
)
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW", "")
NAMES = (
    "grant_type",
    "client_id",
    "client_secret",
    "code",
    "code_verifier",
    "redirect_uri",
    "refresh_token",
    "scope",
    "resource",
    "token",
    "token_type_hint",
    "access_token",
)
GRANT_TYPES = ("authorization_code", "refresh_token", "client_credentials", "password")
TOKENS = (
    "sc_rt_t1.fam_1.0." + "a" * 43 + "." + "b" * 22,
    "sc_rt_t9.fam_1.0." + "a" * 43 + "." + "b" * 22,
    "sc_ac_t1.cod_1.x",
    "sc_ac_t9.cod_1.x",
    "sc_at_t1.at_1.x",
    "sc_key_t1.key_1.x",
    "eyJhbGciOiJub25lIn0.e30.",
    "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
)

text = st.one_of(st.sampled_from([*TOKENS, *GRANT_TYPES]), st.text(max_size=40))
value = text.map(lambda s: s.encode("utf-8", "surrogatepass"))
pair = st.tuples(st.sampled_from(NAMES), value).map(lambda p: p[0].encode() + b"=" + p[1])
body = st.one_of(st.lists(pair, max_size=6).map(b"&".join), st.binary(max_size=200))
authorization = st.one_of(
    st.binary(max_size=60),
    st.binary(max_size=60).map(lambda raw: b"Basic " + b64encode(raw)),
    value.map(lambda raw: b"Bearer " + raw),
)
content_type = st.one_of(st.just(FORM.encode()), st.binary(max_size=40))
headers = st.lists(
    st.one_of(
        st.tuples(st.just(b"authorization"), authorization),
        st.tuples(st.just(b"content-type"), content_type),
        st.tuples(st.sampled_from([b"origin", b"host", b"cookie"]), st.binary(max_size=20)),
    ),
    max_size=4,
)


class Bench:
    """A back channel on a loop of its own, because examples come from a plain function."""

    def __init__(self, path: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self.back = self.loop.run_until_complete(self._open(path))

    async def _open(self, path: Path) -> Back:
        clock = SettableClock()
        url = f"sqlite:///{path}/any.db"
        store = await open_store(url, clock=clock, serving=True, migrate=True)
        return await back_of(store, clock, SystemMint())

    def close(self) -> None:
        self.loop.run_until_complete(self.back.store.close())
        self.loop.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


@pytest.mark.attack("D12")
@pytest.mark.attack("P6")
def test_any_request_is_answered_and_changes_nothing(bench: Bench) -> None:
    back, run = bench.back, bench.loop.run_until_complete
    app = run(back.client())
    before = run(back.snapshot())

    @settings(max_examples=500, deadline=None)
    @given(
        method=st.sampled_from(METHODS),
        path=st.sampled_from(PATHS),
        headers=headers,
        body=body,
        query=st.one_of(st.just(b""), body),
    )
    def send(
        method: str, path: str, headers: list[tuple[bytes, bytes]], body: bytes, query: bytes
    ) -> None:
        reply = run(back.send(method, path, headers, body, query))
        assert reply.status < 500
        if reply.status >= 400 and reply.status != 405:
            assert json.loads(reply.body)["error"]
            assert reply.header("cache-control") == "no-store"
            reply.body.decode("ascii")

    send()
    assert run(back.snapshot()) == before

    @settings(max_examples=300, deadline=None)
    @given(path=st.sampled_from(PATHS[:4]), body=body)
    def send_authenticated(path: str, body: bytes) -> None:
        headers = {"content-type": FORM, "authorization": basic_of(app)}
        assert run(back.send("POST", path, headers, body)).status < 500

    send_authenticated()
    assert run(back.snapshot()) == before
