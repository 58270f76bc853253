"""Web Authentication through py_webauthn. No attestation is asked for, so none is believed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from webauthn import (
    base64url_to_bytes,
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import bytes_to_base64url, parse_authentication_credential_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from safeconduct.ports.passkeys import Asserted, BadPasskey, NewPasskey

_NO_ANSWER = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
MAX_ANSWER = 32_768
TIMEOUT_MS = 300_000


class WebAuthnPasskeys:
    def creation(
        self, *, site: str, name: str, user: str, account: str, challenge: str, known: list[str]
    ) -> str:
        options = generate_registration_options(
            rp_id=site,
            rp_name=name,
            user_name=account,
            user_id=user.encode(),
            challenge=base64url_to_bytes(challenge),
            timeout=TIMEOUT_MS,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[
                PublicKeyCredentialDescriptor(id=base64url_to_bytes(id)) for id in known
            ],
        )
        return options_to_json(options)

    def created(self, answer: str, *, site: str, origin: str, challenge: str) -> NewPasskey:
        with _told():
            found = verify_registration_response(
                credential=_bounded(answer),
                expected_challenge=base64url_to_bytes(challenge),
                expected_rp_id=site,
                expected_origin=origin,
                require_user_verification=True,
            )
        return NewPasskey(
            id=bytes_to_base64url(found.credential_id),
            public_key=found.credential_public_key,
            sign_count=found.sign_count,
            synced=found.credential_device_type is CredentialDeviceType.MULTI_DEVICE,
        )

    def request(self, *, site: str, challenge: str) -> str:
        options = generate_authentication_options(
            rp_id=site,
            challenge=base64url_to_bytes(challenge),
            timeout=TIMEOUT_MS,
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return options_to_json(options)

    def named(self, answer: str) -> Asserted:
        with _told():
            found = parse_authentication_credential_json(_bounded(answer))
            handle = found.response.user_handle
            return Asserted(
                id=bytes_to_base64url(found.raw_id),
                user=handle.decode() if handle else None,
            )

    def verified(
        self,
        answer: str,
        *,
        site: str,
        origin: str,
        challenge: str,
        public_key: bytes,
        sign_count: int,
    ) -> int:
        with _told():
            found = verify_authentication_response(
                credential=_bounded(answer),
                expected_challenge=base64url_to_bytes(challenge),
                expected_rp_id=site,
                expected_origin=origin,
                credential_public_key=public_key,
                credential_current_sign_count=sign_count,
                require_user_verification=True,
            )
        return found.new_sign_count


def _bounded(answer: str) -> str:
    if len(answer) > MAX_ANSWER:
        raise BadPasskey("too long")
    json.loads(answer)  # the library means strings that are no JSON to be somebody else's fault
    return answer


@contextmanager
def _told() -> Iterator[None]:
    """Whatever a browser sends is an answer, right or wrong, and never a failure of ours."""
    try:
        yield
    except BadPasskey:
        raise
    except (
        WebAuthnException,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as no:
        raise BadPasskey(type(no).__name__) from None
