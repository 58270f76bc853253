"""What leaves signed: judged by the simulator's own reading of RFC 5849, on real HTTP."""

from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest
from tests.signed import METHODS, judging, private_key

from safeconduct.adapters.oauth1 import signed
from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.core.errors import ProviderError
from safeconduct.core.secret import Secret
from safeconduct.core.upstream.http import FORM, OutboundRequest, Signature
from safeconduct.simulator import signatures

NOW = 1_800_000_000.0


def how(method: Any = "HMAC-SHA1", **more: Any) -> Signature:
    secret = private_key() if method == "RSA-SHA1" else "c&s"
    made: dict[str, Any] = {"client_secret": Secret(secret), "token": "tok/en"}
    made |= {"token_secret": Secret("t=s"), **more}
    return Signature(method=method, client_key="our key", **made)


@pytest.mark.rfc("5849#3.4")
@pytest.mark.parametrize("method", METHODS)
async def test_every_part_of_a_request_is_signed_as_it_arrives(method: str) -> None:
    out = GuardedOutbound(["127.0.0.1"], clock=lambda: NOW)
    async with judging() as judge, AsyncExitStack() as stack:
        stack.push_async_callback(out.close)
        raw = b"a=1+2&a=%C3%A4&b%5B%5D=&z=%7E*"
        head = {"content-type": "Application/X-WWW-Form-Urlencoded; charset=utf-8"}
        for request in (
            OutboundRequest("GET", f"{judge.url}/Me%20you/~x?b=2&a=1%20%26&a=%C3%A4&c[]=3&d"),
            OutboundRequest("POST", f"{judge.url}/f?q=1", form={"x y": "ä&=", "z": ""}),
            OutboundRequest("PUT", f"{judge.url}/raw", head, body=raw),
            OutboundRequest("POST", f"{judge.url}/json", json={"a": "oauth_token"}),
            OutboundRequest("DELETE", f"{judge.url}/gone"),
        ):
            said = await out.send(replace(request, signature=how(method)))
            assert said.status == 200
            async with out.stream(replace(request, signature=how(method))) as answer:
                assert answer.status == 200
        for one in judge.seen:
            secret = private_key() if method == "RSA-SHA1" else "c&s"
            args = {"wanted": method, "client_key": "our key", "client_secret": secret}
            signatures.check(one, **args, token_secret="t=s")
            assert one.oauth["oauth_token"] == "tok/en"
            assert one.oauth["oauth_timestamp"] == str(int(NOW))
            if method != "PLAINTEXT":  # whose signature covers nothing
                other = replace(one, rest=[*one.rest, ("more", "1")])
                with pytest.raises(signatures.Denied):
                    signatures.check(other, **args, token_secret="t=s")
        assert judge.bodies[4] == raw
        nonces = {one.oauth["oauth_nonce"] for one in judge.seen}
        assert len(nonces) == len(judge.seen)


@pytest.mark.attack("N6")
@pytest.mark.parametrize(
    ("request_", "signature"),
    [
        (OutboundRequest("GET", "https://a.test/?oauth_token=other"), how()),
        (OutboundRequest("POST", "https://a.test/", form={"oauth_signature": "x"}), how()),
        (OutboundRequest("POST", "https://a.test/", {"Content-Type": FORM}, body=b"a=\xe4"), how()),
        (OutboundRequest("POST", "https://a.test/", {"Content-Type": FORM}, body=b"a=%zz"), how()),
        (OutboundRequest("GET", "http://a.test/"), how("PLAINTEXT")),
        (OutboundRequest("GET", "https://a.test/"), how("RSA-SHA1", client_secret=Secret("no"))),
        (OutboundRequest("GET", "https://a.test/"), how("RSA-SHA1", client_secret=None)),
    ],
)
def test_what_cannot_be_signed_is_not_sent(request_: OutboundRequest, signature: Signature) -> None:
    with pytest.raises(ProviderError) as caught:
        signed(replace(request_, signature=signature), NOW)
    assert (caught.value.sent, caught.value.remedy) == (False, "misconfigured")
    good = OutboundRequest("GET", "https://a.test/?token=other", signature=how("PLAINTEXT"))
    assert "authorization" in signed(good, NOW).headers


def test_no_secret_shows_itself() -> None:
    request = OutboundRequest("GET", "https://a.test/", signature=how())
    shown = repr(request) + repr(signed(request, NOW))
    assert "t=s" not in shown
    assert "c&s" not in shown
    assert "tok/en" not in shown
