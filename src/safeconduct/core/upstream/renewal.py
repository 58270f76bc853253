"""How a token ages that is asked for anew each time, with something that stays the same.

RFC 6749 §4.4.3: "a refresh token SHOULD NOT be included". What is presented is what somebody typed
in: it is not used up, so no answer that is lost can cost more than another request.
"""

from dataclasses import dataclass

from safeconduct.core.upstream.dialect import ErrorRule, Refresh


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """The words of `Refresh` that make sense there."""

    margin_s: int = 300
    default_expires_in: int | None = None
    returns_same_token: bool = False
    error_map: tuple[ErrorRule, ...] = ()

    def __post_init__(self) -> None:
        self.by("anew")  # its figures are held to the same rules

    def by(self, grant: str) -> Refresh:
        return Refresh(
            grant=grant,
            rotates=False,
            margin_s=self.margin_s,
            default_expires_in=self.default_expires_in,
            returns_same_token=self.returns_same_token,
            error_map=self.error_map,
        )
