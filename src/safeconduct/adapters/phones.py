"""Phone numbers by the metadata of the `phonenumbers` library (ITU-T E.164)."""

import phonenumbers
from phonenumbers import PhoneNumberType

TAKES_TEXTS = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})
"""Premium and shared-cost numbers are what text messages are pumped to."""


class KnownPhones:
    """Implements `ports.phones.Phones`."""

    def country(self, number: str) -> str | None:
        try:
            parsed = phonenumbers.parse(number)
        except phonenumbers.NumberParseException:
            return None
        same = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164) == number
        if not same or not phonenumbers.is_valid_number(parsed):
            return None
        if phonenumbers.number_type(parsed) not in TAKES_TEXTS:
            return None
        region = phonenumbers.region_code_for_number(parsed)
        return region if region and region.isalpha() else None
