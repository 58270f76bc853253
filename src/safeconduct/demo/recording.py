"""The app's memory of what it said and heard, one list a session, for `/exchanges`."""

import json
from typing import Any

from httpx2 import Request, Response

from safeconduct.demo.exchanges import mask, mask_form, mask_url
from safeconduct.demo.sessions import current

_KEPT = 50


async def record(said: Response) -> None:
    session = current.get(None)
    if session is None:
        return
    await said.aread()
    kept = session.setdefault("exchanges", [])
    session["said"] = session.get("said", 0) + 1
    kept.append({"request": _asked(said.request), "response": _answered(said)})
    del kept[:-_KEPT]


def _asked(sent: Request) -> dict[str, Any]:
    form = sent.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    body: Any = mask_form(sent.content) if form else _json(sent.content)
    scheme = sent.headers.get("authorization", "").partition(" ")[0]
    return {
        "method": sent.method,
        "url": mask_url(str(sent.url)),
        "authorization": f"{scheme} …" if scheme else None,
        "body": body,
    }


def _answered(said: Response) -> dict[str, Any]:
    return {
        "status": said.status_code,
        "challenge": said.headers.get("www-authenticate"),
        "body": _json(said.content),
    }


def _json(content: bytes) -> Any:
    try:
        return mask("", json.loads(content)) if content else None
    except ValueError:
        return f"{len(content)} bytes"
