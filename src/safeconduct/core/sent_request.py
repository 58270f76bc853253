"""An authorization request as it was sent, whichever way it came.

By the browser's address, sent ahead (RFC 9126), in a signed request object (RFC 9101), or both:
its parameters are read alike, but a client may have bound itself to one of the ways.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from safeconduct.core.errors import invalid_request
from safeconduct.core.form import Form, form_from_json, form_to_json
from safeconduct.core.model import Client


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """`pushed` is the id of a request that was sent ahead; `kept`: there is a row of it.

    `once` is what a request object by value is known by, `until` its end.
    """

    form: Form
    pushed: str | None = None
    kept: bool = False
    signed: bool = False
    once: str | None = None
    until: int = 0

    def check(self, client: Client, *, ahead: bool = False, push: bool = False) -> None:
        """RFC 9126 §5, RFC 9101 §10.5: the ways that this client, or `push`, has ruled out.

        `ahead`: it is being pushed just now.
        """
        pushed = ahead or self.pushed is not None
        if (push or client.require_pushed_authorization_requests) and not pushed:
            who = "clients here have" if push else "this client has"
            raise invalid_request(
                f"{who} to push authorization requests",
                rule="par.required",
                rfc="9126#5",
            )
        if client.require_signed_request_object and not self.signed:
            raise invalid_request(
                "this client has to sign its authorization requests",
                rule="request_object.required",
                rfc="9101#10.5",
            )

    def to_json(self) -> dict[str, Any]:
        way = {"pushed": self.pushed, "kept": self.kept, "signed": self.signed}
        return {**form_to_json(self.form), **way, "once": self.once, "until": self.until}


def sent_from_json(data: Mapping[str, Any]) -> Sent:
    return Sent(
        form=form_from_json(data),
        pushed=data["pushed"],
        kept=data["kept"],
        signed=data["signed"],
        once=data.get("once"),
        until=data.get("until", 0),
    )
