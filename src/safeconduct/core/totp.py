"""RFC 6238: codes that an app shows, and how somebody gets the secret into it.

The parameters are those that every app knows: SHA-1, six digits, thirty seconds.
"""

from base64 import b32encode, urlsafe_b64decode

import pyotp

from safeconduct.core.secret import Secret

STEP = 30_000
DIGITS = 6
DRIFT = 1  # §5.2: one step either way, for clocks that differ and people who type


def new_secret(random: str) -> Secret:
    """RFC 4226 §4: 160 bits, as apps want them; `random` is a fresh `Mint.secret`."""
    return Secret(b32encode(urlsafe_b64decode(random + "=")[:20]).decode())


def matching_step(secret: Secret, code: str, now: int, last_step: int) -> int | None:
    """The time step of this code, if it is near and newer than the last one that was taken.

    §5.2: "The verifier MUST NOT accept the second attempt of the OTP after the successful
    validation has been issued for the first OTP".
    """
    totp, current = pyotp.TOTP(secret.reveal(), digits=DIGITS), now // STEP
    for step in range(current - DRIFT, current + DRIFT + 1):
        if step > last_step and pyotp.utils.strings_equal(totp.generate_otp(step), code):
            return step
    return None


def provisioning_uri(secret: Secret, account: str, issuer: str) -> Secret:
    """What the QR code says. It holds the secret."""
    return Secret(
        pyotp.TOTP(secret.reveal(), digits=DIGITS).provisioning_uri(
            name=account, issuer_name=issuer
        )
    )


def spaced(secret: Secret) -> str:
    """The secret for people who type it, in groups of four."""
    text = secret.reveal()
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))
