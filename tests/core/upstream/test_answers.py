"""Every answer a token endpoint has ever given, and some it has not."""

import json
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.upstream.entries import code, entry

from safeconduct.core.errors import ProviderError
from safeconduct.core.upstream.answers import (
    MAX_LIFETIME_S,
    Incomplete,
    Tokens,
    api_failure,
    read_identity,
    read_revocation,
    read_token_response,
    retry_after,
)

NOW = 1_800_000_000_000
GOOD: dict[str, Any] = {
    "access_token": "at-1",
    "refresh_token": "rt-2",
    "token_type": "bearer",
    "expires_in": 3600,
    "scope": "read write",
}


def judged(
    answer: Any = None, *, status: int = 200, provider: Any = None, **changes: Any
) -> Tokens:
    if answer is None:
        answer = {k: v for k, v in {**GOOD, **changes}.items() if v is not ...}
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return read_token_response(provider or entry(), status, {}, body, NOW)


def failure(answer: Any = None, **more: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        judged(answer, **more)
    return caught.value


@pytest.mark.rfc("6749#5.1")
def test_a_good_answer() -> None:
    tokens = judged()
    assert tokens.access_token.reveal() == "at-1"
    assert tokens.refresh_token is not None
    assert tokens.refresh_token.reveal() == "rt-2"
    assert tokens.expires_at == NOW + 3_600_000
    assert tokens.scope == {"read", "write"}
    assert "at-1" not in repr(tokens)
    assert "rt-2" not in repr(tokens)


@pytest.mark.invariant("V4")
@pytest.mark.parametrize("value", [..., None, "", 7, [], {}, "with\nnewline", " "])
def test_no_new_refresh_token_means_keep_the_old(value: Any) -> None:
    tokens = judged(refresh_token=value)
    assert tokens.refresh_token is None
    assert tokens.access_token.reveal() == "at-1"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (3600, 3600),
        ("3600", 3600),
        (" 3600 ", 3600),
        (3599.9, 3599),
        ("3599.9", 3599),
        (1, 1),
        (MAX_LIFETIME_S, MAX_LIFETIME_S),
        (-1, None),
        (0, None),
        (0.4, None),
        (1e12, None),
        (10**12, None),
        ("1000000000000", None),
        (MAX_LIFETIME_S + 1, None),
        (None, None),
        (..., None),
        (True, None),
        ("soon", None),
        ("", None),
        ("٣٦٠٠", None),  # digits, but not ASCII ones
        ([3600], None),
        (10**400, None),
    ],
)
def test_a_lifetime_is_one_or_is_unknown(value: Any, seconds: int | None) -> None:
    assert judged(expires_in=value).expires_at == (seconds and NOW + seconds * 1000)
    # Where the answer does not say, the catalogue's figure stands in.
    known = code(refresh={"default_expires_in": 7200})
    assert judged(expires_in=value, provider=known).expires_at == NOW + (seconds or 7200) * 1000


def test_numbers_that_are_not_json_are_garbage() -> None:
    for number in ("NaN", "Infinity", "-Infinity"):
        body = b'{"access_token":"at-1","expires_in":%s}' % number.encode()
        assert failure(body).code == "malformed_answer"
    assert judged(b'{"access_token":"at-1","expires_in":1e999}').expires_at is None


def test_a_lifetime_in_milliseconds() -> None:
    provider = code(answer={"expires_unit": "ms"})
    assert judged(expires_in=3_600_500, provider=provider).expires_at == NOW + 3_600_000


@pytest.mark.invariant("V6")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"access_token": "at',
        b'["access_token"]',
        b"null",
        b'"token"',
        b"<html><body>Sign in</body></html>",
        b'{"ok": false}',
        b"{}",
        b'{"access_token": null}',
        b'{"access_token": ""}',
        b'{"access_token": 12}',
        b'{"access_token": "a\\nb"}',
        b'{"access_token": "a b"}',
        b'{"access_token": "\\u00e9"}',
        b'{"access_token": "at", "token_type": "mac"}',
        b'{"access_token": "at", "token_type": 3}',
        b"\xff\xfe{}",
        b"[" * 100_000,
        b'{"access_token":"%s"}' % (b"x" * 20_000),
        b'{"expires_in":' + b"9" * 5000 + b"}",
    ],
)
@pytest.mark.invariant("F5")
def test_garbage_is_retried_and_ends_nothing(body: bytes) -> None:
    caught = failure(body)
    assert (caught.code, caught.remedy) == ("malformed_answer", "retry")


@pytest.mark.invariant("V4")
def test_a_refresh_token_beside_a_broken_access_token_is_saved() -> None:
    for changes in ({"access_token": None}, {"access_token": "a\nb"}, {"token_type": "mac"}):
        caught = failure(**changes)
        assert isinstance(caught, Incomplete)
        assert caught.refresh_token.reveal() == "rt-2"
        assert "rt-2" not in str(caught) + repr(caught)


@pytest.mark.invariant("V6")
@pytest.mark.parametrize(
    ("status", "error", "code_", "remedy"),
    [
        (400, "invalid_grant", "invalid_grant", "reconnect"),
        (401, "invalid_grant", "invalid_grant", "reconnect"),
        (200, "invalid_grant", "invalid_grant", "reconnect"),
        (401, "invalid_client", "invalid_client", "misconfigured"),
        (400, "invalid_client", "invalid_client", "misconfigured"),
        (400, "temporarily_unavailable", "temporarily_unavailable", "retry"),
        (503, "temporarily_unavailable", "server_error", "retry"),
        (429, "invalid_grant", "rate_limited", "retry"),
        (500, "invalid_grant", "server_error", "retry"),
        (503, "invalid_client", "server_error", "retry"),
        (400, "invalid_request", "refused", "retry"),
        (400, "unauthorized_client", "invalid_client", "misconfigured"),
        (400, "INVALID_GRANT", "invalid_grant", "reconnect"),
        (400, "unsupported_grant_type", "refused", "retry"),
        (400, "invalid_scope", "refused", "retry"),
        (302, "invalid_grant", "redirected", "retry"),
        (408, "invalid_grant", "refused", "retry"),
        (425, "invalid_grant", "refused", "retry"),
        (403, "access_denied", "refused", "retry"),
        (200, "server_error", "temporarily_unavailable", "retry"),
        (200, "access_denied", "malformed_answer", "retry"),
        (302, None, "redirected", "retry"),
        (404, None, "refused", "retry"),
        (401, None, "refused", "retry"),
        (502, None, "server_error", "retry"),
        (100, None, "malformed_answer", "retry"),
    ],
)
def test_a_word_of_the_standard_means_what_it_says(
    status: int, error: str | None, code_: str, remedy: str
) -> None:
    caught = failure({"error": error} if error else {}, status=status)
    assert (caught.code, caught.remedy, caught.status) == (code_, remedy, status)
    # An answer that also carries tokens but is an error is an error.
    if error:
        assert failure(GOOD | {"error": error}, status=status).code == code_


def test_an_empty_error_is_none() -> None:
    for value in (None, "", False, 0, [], {}):
        assert judged(error=value).access_token.reveal() == "at-1"
    assert failure(GOOD | {"error": {"code": 190}}).code == "malformed_answer"


def test_a_dialect_of_errors_is_data() -> None:
    rules = [
        {"means": "invalid_grant", "error": ["bad_refresh_token"]},
        {"means": "invalid_grant", "error": ["190"], "contains": "session has expired"},
        {"means": "invalid_client", "status": [403], "contains": "app is disabled"},
        {"means": "temporarily_unavailable", "error": ["invalid_grant"], "contains": "try again"},
        {"means": "invalid_grant", "status": [500], "error": ["token_gone"]},
    ]
    provider = code(refresh={"error_map": rules})

    def remedy(status: int, error: str, description: str = "") -> str:
        body = {"error": error, "error_description": description}
        return failure(body, status=status, provider=provider).remedy

    assert remedy(200, "bad_refresh_token") == "reconnect"
    assert remedy(500, "bad_refresh_token") == "retry"
    assert remedy(400, "190", "The Session has expired on Monday") == "reconnect"
    assert remedy(400, "190", "Unknown") == "retry"
    assert remedy(403, "x", "This app is disabled.") == "misconfigured"
    assert remedy(400, "invalid_grant", "Please try again later") == "retry"
    assert remedy(500, "token_gone") == "reconnect"


def test_an_error_may_lie_deeper() -> None:
    provider = code(
        answer={"error": "/error/code", "error_description": "/error/message"},
        refresh={"error_map": [{"means": "invalid_grant", "error": ["190"]}]},
    )
    body = {"error": {"code": 190, "message": "expired"}}
    assert failure(body, status=400, provider=provider).remedy == "reconnect"


def test_a_providers_words_reach_the_operator_without_tokens() -> None:
    token = "rt_0123456789abcdefghij"
    said = f"Token {token} is\r\nrevoked <script>" + "x " * 500
    caught = failure({"error": "invalid_grant", "error_description": said}, status=400)
    assert caught.detail is not None
    assert token not in caught.detail
    assert "\n" not in caught.detail
    assert len(caught.detail) <= 200
    assert "revoked" in caught.detail


def test_a_form_encoded_answer() -> None:
    provider = code(answer={"format": "form", "scope_separator": ","})
    tokens = judged(b"access_token=at-1&scope=read%2Cwrite&token_type=bearer", provider=provider)
    assert tokens.scope == {"read", "write"}
    assert failure(b"error=invalid_grant", provider=provider).remedy == "reconnect"
    assert judged(provider=provider).access_token.reveal() == "at-1"  # JSON is understood too
    assert failure(b"access_token=at-1").code == "malformed_answer"  # only where the entry says so


@pytest.mark.parametrize(
    ("value", "scope"),
    [
        ("read", {"read"}),
        ("read  write", {"read", "write"}),
        (["read", "write", 3], {"read", "write"}),
        ("", None),
        (None, None),
        ([], None),
        (7, None),
        ("a\x00b", None),
    ],
)
def test_a_strange_scope_loses_no_token(value: Any, scope: set[str] | None) -> None:
    assert judged(scope=value).scope == scope


def test_an_account_in_the_answer() -> None:
    provider = code(answer={"account_id": "/user/id", "account_name": ["/user/name"]})
    tokens = judged(user={"id": 42, "name": "Ada"}, provider=provider)
    assert (tokens.account_id, tokens.account_name) == ("42", "Ada")
    assert judged(user={"id": "a\nb"}, provider=provider).account_id is None


@pytest.mark.rfc("9110#10.2.3")
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("5", 5.0),
        ("0", 0.0),
        (" 1.5 ", 1.5),
        ("999999999", 86_400.0),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("1e9", None),
        (format_datetime(datetime.fromtimestamp(NOW / 1000 + 90, UTC), usegmt=True), 90.0),
        (format_datetime(datetime.fromtimestamp(NOW / 1000 - 90, UTC), usegmt=True), 0.0),
        ("Fri, 99 Foo 9999 99:99:99 GMT", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": value}, NOW) == seconds
    assert api_failure(429, {"retry-after": value}, NOW).retry_after == seconds


def test_a_date_is_read_against_the_senders_clock() -> None:
    skewed = datetime.fromtimestamp(NOW / 1000 + 7200, UTC)
    headers = {
        "date": format_datetime(skewed, usegmt=True),
        "retry-after": format_datetime(skewed.replace(second=skewed.second), usegmt=True),
    }
    assert retry_after(headers, NOW) == 0.0


def test_identity() -> None:
    def who(body: Any, status: int = 200) -> Any:
        return read_identity(entry(), status, {}, json.dumps(body).encode(), NOW)

    assert who({"id": "u1"}).id == "u1"
    for body in ({}, {"id": None}, {"id": ""}, {"id": "a\nb"}, {"id": ["u1"]}, [], {"id": True}):
        with pytest.raises(ProviderError, match="malformed_answer"):
            who(body)
    for status, code_ in ((401, "unauthorized"), (403, "forbidden"), (429, "rate_limited")):
        with pytest.raises(ProviderError, match=code_) as caught:
            who({"id": "u1"}, status)
        assert caught.value.remedy == "retry"


@pytest.mark.rfc("7009#2.2")
def test_revocation() -> None:
    def judge(status: int, body: Any = None) -> None:
        read_revocation(entry(), status, {}, json.dumps(body).encode(), NOW)

    judge(200)
    judge(204)
    judge(400, {"error": "invalid_grant"})  # already gone
    for status, code_ in ((503, "server_error"), (400, "refused"), (401, "refused")):
        with pytest.raises(ProviderError, match=code_):
            judge(status)
    with pytest.raises(ProviderError, match="invalid_client"):
        judge(401, {"error": "invalid_client"})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
TOKENISH = st.text(min_size=1, max_size=30) | st.from_regex(r"[!-~]{1,40}", fullmatch=True) | JSON
ANSWERS = st.fixed_dictionaries(
    {},
    optional={
        "access_token": TOKENISH,
        "refresh_token": TOKENISH,
        "token_type": st.just("Bearer") | JSON,
        "expires_in": st.integers() | st.floats() | st.text() | JSON,
        "scope": st.text() | JSON,
        "error": st.sampled_from(["", "invalid_grant", "invalid_client"]) | JSON,
        "error_description": JSON,
        "id_token": TOKENISH,
    },
)


def sound(tokens: Tokens) -> None:
    for token in (tokens.access_token, tokens.refresh_token, tokens.id_token):
        assert token is None or all("!" <= c <= "~" for c in token.reveal())
    assert tokens.expires_at is None or NOW < tokens.expires_at <= NOW + MAX_LIFETIME_S * 1000


def judge_anything(body: bytes, status: int, headers: dict[str, str]) -> None:
    try:
        sound(read_token_response(entry(), status, headers, body, NOW))
    except ProviderError as caught:
        assert caught.remedy in ("retry", "reconnect", "misconfigured")  # noqa: PT017
        # Nothing ends a connection but an answer that names it, from a server that is well.
        if caught.remedy == "reconnect":
            assert b"invalid_grant" in body
            assert status < 500
            assert status != 429


@pytest.mark.invariant("V6")
@given(st.binary(max_size=200), st.integers(100, 599), st.text(max_size=40))
def test_no_bytes_break_the_reader(body: bytes, status: int, after: str) -> None:
    judge_anything(body, status, {"retry-after": after, "date": after})


@pytest.mark.invariant("V6")
@given(ANSWERS, st.sampled_from([200, 201, 302, 400, 401, 429, 500, 503]))
def test_no_answer_breaks_the_reader(answer: dict[str, Any], status: int) -> None:
    judge_anything(json.dumps(answer).encode(), status, {})
