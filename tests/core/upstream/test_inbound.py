"""Webhooks in: what is signed is taken, and nothing that differs from it in one detail."""

import hmac
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safeconduct.adapters.catalog import load_catalog
from safeconduct.core.secret import Secret
from safeconduct.core.upstream.inbound import (
    Signature,
    Webhooks,
    read_event,
    signed,
    usable,
    verify,
)
from safeconduct.core.upstream.schema import InvalidEntry, read

SECRET = Secret("whsec_" + b64encode(b"a key of some length, here").decode())
NOW = 1_800_000_000_000
BODY = b'{"event_type":"x"}'
STANDARD = Signature(
    header="webhook-signature",
    prefix="v1,",
    signs=("id", "timestamp", "body"),
    id_header="webhook-id",
    timestamp_header="webhook-timestamp",
    secret_prefix="whsec_",
    secret_encoding="base64",
)
GITHUB = Signature(header="x-hub-signature-256", prefix="sha256=", encoding="hex")


def entry() -> Webhooks:
    found = load_catalog().get("healthExample")
    assert found is not None
    assert found.webhooks is not None
    return found.webhooks


def test_standard_webhooks_by_the_published_example() -> None:
    """The vector of the Standard Webhooks reference implementations."""
    secret = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body, at_s = b'{"test": 2432232314}', 1614265330
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": str(at_s),
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    found = verify(STANDARD, secret, headers, body, at_s * 1000)
    assert found is not None
    assert found.id == headers["webhook-id"]
    assert signed(STANDARD, secret, found.id, at_s, body) == headers


def test_a_plain_hmac_in_hex() -> None:
    secret = Secret("It's a Secret to Everybody")
    body = b"Hello, World!"
    headers = {
        "x-hub-signature-256": "sha256="
        "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    }
    found = verify(GITHUB, secret, headers, body, NOW)
    assert found is not None
    assert found.id == sha256(body).hexdigest()


@pytest.mark.attack("O9")
def test_every_detail_counts() -> None:
    headers = signed(STANDARD, SECRET, "msg_1", NOW // 1000, BODY)
    assert verify(STANDARD, SECRET, headers, BODY, NOW) is not None
    other = Secret("whsec_" + b64encode(b"another key of some length").decode())
    wrong: list[tuple[Any, Secret, bytes, int]] = [
        (headers, SECRET, BODY + b" ", NOW),
        (headers, other, BODY, NOW),
        (headers, SECRET, BODY, NOW + 301_000),
        (headers, SECRET, BODY, NOW - 301_000),
        *(({n: v for n, v in headers.items() if n != name}, SECRET, BODY, NOW) for name in headers),
        ({**headers, "webhook-id": "msg_2"}, SECRET, BODY, NOW),
        ({**headers, "webhook-id": "x" * 300}, SECRET, BODY, NOW),
        ({**headers, "webhook-timestamp": str(NOW // 1000 + 1)}, SECRET, BODY, NOW),
        ({**headers, "webhook-timestamp": "١٨"}, SECRET, BODY, NOW),
        ({**headers, "webhook-signature": headers["webhook-signature"][3:]}, SECRET, BODY, NOW),
        ({**headers, "webhook-signature": "v1," + "é"}, SECRET, BODY, NOW),
        ({**headers, "webhook-signature": ""}, SECRET, BODY, NOW),
    ]
    for shown, secret, body, now in wrong:
        assert verify(STANDARD, secret, shown, body, now) is None, (shown, body, now)


def test_of_several_signatures_one_is_enough() -> None:
    """The other side changes its secret: for a while it signs with both."""
    headers = signed(STANDARD, SECRET, "msg_1", NOW // 1000, BODY)
    both = f"v1,{b64encode(b'x' * 32).decode()} v2,other {headers['webhook-signature']}"
    assert verify(STANDARD, SECRET, {**headers, "webhook-signature": both}, BODY, NOW)
    many = " ".join(["v1,AAAA"] * 16 + [headers["webhook-signature"]])
    assert verify(STANDARD, SECRET, {**headers, "webhook-signature": many}, BODY, NOW) is None


@given(
    st.sampled_from(["sha1", "sha256", "sha512"]),
    st.sampled_from(["base64", "hex"]),
    st.binary(max_size=200),
    st.text("abcdef0123456789_", min_size=1, max_size=40),
)
def test_what_is_signed_is_verified(algorithm: Any, encoding: Any, body: bytes, id: str) -> None:
    for base in (STANDARD, replace(GITHUB, secret_prefix="whsec_", secret_encoding="base64")):
        how = replace(base, algorithm=algorithm, encoding=encoding)
        headers = signed(how, SECRET, id, NOW // 1000, body)
        assert verify(how, SECRET, headers, body, NOW) is not None
        assert verify(how, SECRET, headers, body + b"x", NOW) is None


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=60)), st.binary(max_size=50))
def test_nothing_breaks_it(headers: dict[str, str], body: bytes) -> None:
    assert verify(STANDARD, SECRET, headers, body, NOW) is None
    assert verify(GITHUB, SECRET, headers, body, NOW) is None


def test_a_secret_of_another_kind_is_none() -> None:
    assert usable(STANDARD, SECRET)
    for text in ("", "whsec_", "whsec_not base64", "whsec_é"):
        assert not usable(STANDARD, Secret(text))
    assert usable(GITHUB, Secret("anything"))


def test_an_event_is_read_by_the_entrys_words() -> None:
    document = {"event_type": "daily.data.sleep.created", "client_user_id": "usr_1", "user_id": 7}
    said = read_event(entry(), document)
    assert (said.type, said.user, said.account) == ("daily.data.sleep.created", "usr_1", "7")
    assert said.capabilities == ("sleep",)
    odd = read_event(entry(), {"event_type": ["x"], "client_user_id": "a\nb", "data": {}})
    assert (odd.type, odd.user, odd.account, odd.capabilities) == ("unknown", None, None, ())


@pytest.mark.parametrize(
    "change",
    [
        {"signs": ["id", "timestamp"]},
        {"signs": ["body"]},
        {"id_header": None},
        {"algorithm": "md5"},
    ],
)
def test_a_signature_that_proves_nothing_is_no_entry(change: dict[str, Any]) -> None:
    stated: dict[str, Any] = {
        "header": "s",
        "signs": ["id", "timestamp", "body"],
        "id_header": "i",
        "timestamp_header": "t",
    }
    assert read(Signature, stated) is not None
    broken = {name: value for name, value in (stated | change).items() if value is not None}
    with pytest.raises(InvalidEntry):
        read(Signature, broken)


def test_what_is_compared_is_the_whole_digest() -> None:
    headers = signed(GITHUB, Secret("k"), "", 0, BODY)
    text = headers["x-hub-signature-256"]
    assert text == "sha256=" + hmac.new(b"k", BODY, "sha256").hexdigest()
    for cut in (text[:-1], text + "0", text.upper()):
        assert verify(GITHUB, Secret("k"), {"x-hub-signature-256": cut}, BODY, NOW) is None
