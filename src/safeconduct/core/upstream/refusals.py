"""What a refusal means that neither RFC 6749 §5.2 nor the entry's `error_map` spells out.

Providers say it in many shapes: a word on top, a word in a nested `error`, an object in a list, a
sentence in `message`. So every short text of the answer is read, wherever it lies, as plain lower
words. Then, the first that holds:

    it will pass: rate limit, try again later, maintenance        temporarily_unavailable
    our request was wrong: an unsupported grant type              nothing
    a word that stands for it: invalid_grant, login_required      that
    the client's id or secret, and that it is not good            invalid_client
    the refresh token or the grant, and that it is not good       invalid_grant
    unauthorized_client, with nothing said about the grant        invalid_client

Whatever is unclear is nothing, and is tried again: an outage must never look like a revocation.
That an access token has expired says nothing, but where access tokens are what is presented.
"""

import re
from collections.abc import Iterator
from typing import Any, Literal

from safeconduct.core.upstream.dialect import Meaning

DEPTH = 6
TEXTS = 40
LENGTH = 600

_WORDS: dict[str, Meaning] = {
    "invalid grant": "invalid_grant",
    "invalid code": "invalid_grant",
    "bad verification code": "invalid_grant",
    "token revoked": "invalid_grant",
    "grant revoked": "invalid_grant",
    "login required": "invalid_grant",  # OpenID Connect Core §3.1.2.6, and the two below
    "consent required": "invalid_grant",
    "interaction required": "invalid_grant",
    "invalid client": "invalid_client",
    "deleted client": "invalid_client",
    "disabled client": "invalid_client",
    "temporarily unavailable": "temporarily_unavailable",
    "server error": "temporarily_unavailable",
}

_PASSES = re.compile(
    r"\b(?:temporar\w+|transient|maintenance|overload\w*|unavailable|throttl\w+|rate limit\w*"
    r"|too many|slow down|internal (?:server |service |system )?error|(?:try|retry) later"
    r"|(?:try|retry)(?: \w+)? (?:later|after|in \d+|in a)\b)"
)
_OURS = re.compile(
    r"\bgrant type(?: \w+){0,3} (?:not|unsupported|invalid)\b"
    r"|\b(?:unsupported|unknown|invalid) grant type\b"
)

_ADJECTIVE = (
    r"(?:invalid|invalidated|expired|revoked|unknown|bad|wrong|incorrect|illegal|malformed|evicted"
    r"|inactive|reused)(?! (?:error|request|response|gateway|state|parameter))"
)
_PREDICATE = (
    rf"(?:{_ADJECTIVE}|already (?:been )?used|been used|exceeded"
    r"|not (?:valid|found|active|exist)|no longer valid)"
)
_CLIENT = (
    r"(?:client (?:id|secret|credentials)|app(?:lication)? (?:id|key|secret)"
    r"|consumer (?:key|secret)|api key|application redirect uri)"
)
_GRANT = (
    r"(?:(?:refresh ?tokens?)(?! (?:request|grant|endpoint|parameter|flow))"
    r"|(?:authorization|authorisation|auth|access)? ?grant(?! type)"
    r"|(?:authorization|authorisation|auth) code)"
)
_ACCESS = r"(?:access tokens?|session)"


def _about(thing: str) -> re.Pattern[str]:
    """The thing with an adjective before it, or said of it a little after, in one sentence."""
    return re.compile(rf"\b{_ADJECTIVE}(?: \w+)? {thing}\b|\b{thing}(?: \w+){{0,6}} {_PREDICATE}\b")


_BAD_CLIENT = re.compile(
    _about(_CLIENT).pattern + r"|\b(?:could not|cannot) find(?: \w+){0,3} (?:application|client)\b"
)
_BAD_GRANT = _about(_GRANT)
_BAD_ACCESS = _about(_ACCESS)

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NO_WORD = re.compile(r"[^\w]+|_+")
_END = re.compile(r"[.!?;]\s+|\n|[.!?;]$")


def meaning(
    document: Any, presented: Literal["refresh_token", "access_token"] = "refresh_token"
) -> Meaning | None:
    """What the answer says of the token that was `presented`; None where nothing is clear."""
    said = list(_said(document))
    if any(_PASSES.search(one) for one in said):
        return "temporarily_unavailable"
    if any(_OURS.search(one) for one in said):
        return None
    for one in said:
        if one in _WORDS:
            return _WORDS[one]
    if any(_BAD_CLIENT.search(one) for one in said):
        return "invalid_client"
    if any(_ends_grant(one, presented == "access_token") for one in said):
        return "invalid_grant"
    return "invalid_client" if "unauthorized client" in said else None


def _ends_grant(sentence: str, access_too: bool) -> bool:
    if sentence.startswith("or "):
        return False  # one guess of several
    of_access = _BAD_ACCESS.search(sentence) is not None
    return access_too if of_access else _BAD_GRANT.search(sentence) is not None


def _said(document: Any) -> Iterator[str]:
    """Every sentence of the answer as plain words, and the single words of an object together."""
    room = TEXTS
    waiting: list[tuple[Any, int]] = [(document, 0)]
    while waiting and room > 0:
        here, depth = waiting.pop(0)
        if isinstance(here, str):
            here = [here]
        if isinstance(here, dict):
            here = list(here.values())
        if not isinstance(here, list):
            continue
        texts = [value[:LENGTH] for value in here[:room] if isinstance(value, str)]
        room -= max(len(texts), 1)
        for text in texts:
            yield from filter(None, map(_plain, _END.split(text)))
        yield _plain(" ".join(text for text in texts if " " not in text.strip()))
        if depth < DEPTH:
            waiting += [(v, depth + 1) for v in here[:TEXTS] if isinstance(v, dict | list)]


def _plain(text: str) -> str:
    """`InvalidParameter.RefreshToken` is "invalid parameter refresh token"."""
    return " ".join(_NO_WORD.sub(" ", _HUMP.sub(" ", text)).lower().split())
