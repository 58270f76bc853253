"""What may go through the proxy, and what may come back."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safeconduct.core.authorization_details import narrowed, read_details, tell
from safeconduct.core.detail_types import BUILT_IN, CONNECTION_REQUESTS
from safeconduct.core.errors import ApiError, ProviderError
from safeconduct.core.proxying import (
    Redactor,
    allowed,
    checked_path,
    checked_query,
    next_link,
    only,
    refused,
    returned_headers,
    sent_headers,
    shown_status,
)


@pytest.mark.attack("N1")
@pytest.mark.attack("N11")
@pytest.mark.parametrize(
    "raw",
    [
        "/evil.test/x",
        "//evil.test",
        "\\evil.test",
        "/\\evil.test",
        "@evil.test",
        "https://evil.test",
        "https:evil.test",
        "..%2fadmin",
        "..",
        "v1/../admin",
        "v1/%2e%2e/admin",
        "v1/%2E./admin",
        ".",
        "v1;x=1",
        "v1%2fadmin",
        "v1%5cadmin",
        "v1%00",
        "v1%0d%0aHost:x",
        "v1 x",
        "v1#x",
        "v1?x",
        "é",
        "v1//admin",
        "%",
        "%zz",
        "x" * 5_000,
    ],
)
def test_a_path_that_could_mean_something_else_is_refused(raw: str) -> None:
    with pytest.raises(ApiError) as caught:
        checked_path(raw)
    assert (caught.value.status, caught.value.code) == (400, "bad_path")


@pytest.mark.parametrize(
    "raw", ["", "v1", "v1/users/@me", "v1/a%20b", "v1/items(1)/", "a.b/~c", "v1/"]
)
def test_a_plain_path_goes_as_it_is(raw: str) -> None:
    assert checked_path(raw) == f"/{raw}"


def test_a_query_may_not_carry_the_credential() -> None:
    assert checked_query("a=1&b=%20", ()) == "a=1&b=%20"
    assert checked_query("token=mine", ()) == "token=mine"
    own = {"key", "token"}
    for raw in ("token=mine", "TOKEN=mine", "a=1&key=mine", "%74oken=mine", "a=\x00"):
        with pytest.raises(ApiError):
            checked_query(raw, own)


@pytest.mark.attack("N6")
def test_headers_go_along_by_list() -> None:
    given = [
        ("Accept", "a/b"),
        ("X-Api-Version", "2"),
        ("Authorization", "Bearer ours"),
        ("Cookie", "c=1"),
        ("Host", "evil"),
        ("X-Forwarded-For", "1.2.3.4"),
        ("X-Forwarded-Host", "evil"),
        ("X-Real-IP", "1.2.3.4"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("Connection", "Authorization"),
        ("Transfer-Encoding", "chunked"),
        ("Content-Length", "3"),
        ("DPoP", "proof"),
        ("Origin", "x"),
    ]
    assert sent_headers(given) == {"accept": "a/b", "x-api-version": "2"}
    for name, value in (("Accept", "a\r\nHost: evil"), ("X-A", "é"), ("X-A", "\x00")):
        with pytest.raises(ApiError):
            sent_headers([(name, value)])
    with pytest.raises(ApiError):
        sent_headers([("Accept", "a"), ("accept", "b")])


@pytest.mark.attack("N7")
def test_headers_come_back_by_list() -> None:
    given = {
        "content-type": "text/html",
        "etag": '"1"',
        "set-cookie": "s=1",
        "clear-site-data": '"*"',
        "access-control-allow-origin": "*",
        "strict-transport-security": "max-age=1",
        "location": "https://evil.test",
        "www-authenticate": "Bearer",
        "server": "x",
        "cache-control": "public",
        "content-security-policy": "",
        "x-ratelimit-remaining": "3",
    }
    made = returned_headers(given, 200)
    assert made.keys() == {
        "content-type",
        "etag",
        "x-ratelimit-remaining",
        "cache-control",
        "x-content-type-options",
        "content-security-policy",
        "proxy-status",
    }
    assert made["cache-control"] == "no-store"
    assert made["proxy-status"] == "safeconduct; received-status=200"


def test_a_providers_failure_is_not_ours() -> None:
    assert [shown_status(n) for n in (200, 204, 304, 400, 403, 404, 409, 429)] == [
        200,
        204,
        304,
        400,
        403,
        404,
        409,
        429,
    ]
    assert {shown_status(n) for n in (301, 302, 401, 407, 500, 502, 503, 599)} == {424}


def policy(**more: Any) -> dict[str, Any]:
    return {"type": "connection_requests", "methods": ["GET"], "paths": ["/v1/items/*"], **more}


@pytest.mark.parametrize(
    ("detail", "method", "path", "may"),
    [
        (policy(), "GET", "/v1/items/1", True),
        (policy(), "HEAD", "/v1/items/1", True),
        (policy(), "POST", "/v1/items/1", False),
        (policy(), "GET", "/v1/items", False),
        (policy(), "GET", "/v1/items/1/parts", False),
        (policy(paths=["/v1/**"]), "GET", "/v1/items/1/parts", True),
        (policy(paths=["/v1/**"]), "GET", "/v1", True),
        (policy(paths=["/v1/**"]), "GET", "/v10/items", False),
        (policy(paths=["/v1/[ab]"]), "GET", "/v1/a", False),
        (policy(paths=["/v1/a?c"]), "GET", "/v1/abc", False),
        (policy(identifier="con_1"), "GET", "/v1/items/1", True),
        (policy(identifier="con_2"), "GET", "/v1/items/1", False),
        (policy(provider="acme"), "GET", "/v1/items/1", True),
        (policy(provider="other"), "GET", "/v1/items/1", False),
        ({**policy(), "type": "connections"}, "GET", "/v1/items/1", False),
    ],
)
def test_a_policy_says_which_requests(
    detail: dict[str, Any], method: str, path: str, may: bool
) -> None:
    assert (allowed([detail], method, path, "con_1", "acme") is not None) is may


def test_a_policy_may_show_some_members_only() -> None:
    rule = allowed([policy(fields=["id"]), policy(fields=["name"])], "GET", "/v1/items/1", "c", "p")
    assert rule is not None
    assert rule.fields == {"id", "name"}
    wide = allowed([policy(fields=["id"]), policy()], "GET", "/v1/items/1", "c", "p")
    assert wide is not None
    assert wide.fields is None
    shown = only(frozenset({"id"}), b'[{"id":1,"secret":2},{"secret":3},4]')
    assert json.loads(shown) == [{"id": 1}, {}]
    assert json.loads(only(frozenset({"id"}), b'{"id":1,"secret":2}')) == {"id": 1}
    assert json.loads(only(frozenset({"id"}), b'"secret"')) is None
    with pytest.raises(ProviderError):
        only(frozenset({"id"}), b"secret")


@pytest.mark.rfc("9396#2")
def test_a_policy_is_consented_to_in_words_and_only_shrinks() -> None:
    text = json.dumps([policy(methods=["GET", "POST"], fields=["id"], provider="acme")])
    details = read_details(text, BUILT_IN, [CONNECTION_REQUESTS.name])
    (told,) = tell(details, BUILT_IN, {})
    assert dict(told.lines) == {
        "Requests": ["GET", "POST"],
        "To": ["/v1/items/*"],
        "Seeing only": ["id"],
        "Only at": ["acme"],
    }
    less = json.dumps([policy(methods=["GET"], fields=["id"], provider="acme")])
    assert narrowed(less, details)


@pytest.mark.rfc("8288#3")
@pytest.mark.parametrize(
    ("link", "target"),
    [
        ('<https://a.test/2>; rel="next"', "https://a.test/2"),
        ('</2>; rel="prev", </3>; rel="next last"', "/3"),
        ("</2>; rel=next; title=x", "/2"),
        ('</2>; title="a, b"; rel="next"', "/2"),
        ('</2>; rel="nextish"', None),
        ("nonsense", None),
        (None, None),
    ],
)
def test_the_next_page_is_named_by_a_link(link: str | None, target: str | None) -> None:
    assert next_link(link) == target


SECRET = "s3cr3t-access-token"


@given(
    st.lists(st.sampled_from([SECRET, "s3c", "r3t", "x", SECRET[:7], SECRET[7:]]), max_size=8),
    st.data(),
)
def test_a_secret_is_blackened_wherever_chunks_end(parts: list[str], data: st.DataObject) -> None:
    text = "".join(parts).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    redactor = Redactor(SECRET)
    places = [0, *cuts, len(text)]
    out = b"".join(redactor.feed(text[a:b]) for a, b in pairwise(places))
    out += redactor.rest()
    assert SECRET.encode() not in out
    assert out == text.replace(SECRET.encode(), b"*" * len(SECRET))


@pytest.mark.attack("N8")
def test_what_a_provider_does_not_answer_is_one_answer_of_ours() -> None:
    causes = [
        ProviderError(code, remedy="retry", sent=False) for code in ("unreachable", "no_answer")
    ]
    assert {(refused(e).status, refused(e).code) for e in causes} == {(424, "provider_unavailable")}
    assert refused(ProviderError("x", remedy="reconnect")).code == "needs_reauth"
    assert refused(ProviderError("x", remedy="retry", retry_after=2.5)).retry_after == 2


def test_nothing_waits_that_cannot_be_the_beginning_of_a_secret() -> None:
    """The last bytes of an event would else come with the next one."""
    redactor = Redactor(SECRET)
    assert redactor.feed(b"data: 1\n\n") == b"data: 1\n\n"
    assert redactor.feed(b"data: " + SECRET[:5].encode()) == b"data: "
    assert redactor.feed(b" not it\n\n") == SECRET[:5].encode() + b" not it\n\n"
    assert redactor.rest() == b""
