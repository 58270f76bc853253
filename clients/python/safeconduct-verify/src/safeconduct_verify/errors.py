"""Why a request is not let in, as HTTP says it."""


class Refused(Exception):
    """RFC 6750 §3.1, RFC 9449 §7.1. `error` None: there were no credentials at all."""

    def __init__(
        self,
        error: str | None,
        description: str = "",
        *,
        status: int = 401,
        scheme: str = "Bearer",
        scope: str | None = None,
    ) -> None:
        super().__init__(description or error or "no credentials")
        self.error, self.description = error, description
        self.status, self.scheme, self.scope = status, scheme, scope

    def challenge(self, resource_metadata: str | None) -> str:
        told = {
            "error": self.error,
            "error_description": self.description or None,
            "scope": self.scope,
            "algs": "ES256 EdDSA PS256 RS256" if self.scheme == "DPoP" else None,
            "resource_metadata": resource_metadata,
        }
        says = ", ".join(f'{name}="{text}"' for name, text in told.items() if text is not None)
        return f"{self.scheme} {says}".strip()


class Unavailable(Exception):
    """The issuer cannot be asked, and what is held is too old: nobody is let in on a guess."""


def bad(description: str, scheme: str = "Bearer") -> Refused:
    return Refused("invalid_token", description, scheme=scheme)
