"""What a person may choose as a password (NIST SP 800-63B-4 §3.1.1.2).

Length is asked for, composition is not. What everybody tries first is refused.
"""

from safeconduct.core.wording import Sentence, worded

MIN_LENGTH = 10
MAX_LENGTH = 256

_WORDS = """
    1234567890 12345678910 123456789a 0123456789 0987654321 1q2w3e4r5t 1qaz2wsx3edc q1w2e3r4t5
    qwertyuiop qwerty12345 qwerty123456 qwerty1234 password12 password123 password1234
    password12345 passw0rd123 p@ssw0rd123 iloveyou123 administrator welcome123 welcome1234
    letmein123 changeme123 football123 baseball123 superman123 sunshine123 princess123
    abcdefghij abcd123456 abc1234567 aaaaaaaaaa 1111111111 11111111111 safeconduct
    safeconduct1 correcthorsebatterystaple trustno1trustno1 mypassword mypassword1
"""
_COMMON = frozenset(_WORDS.split())


def objection(
    password: str, names: tuple[str, ...] = (), min_length: int = MIN_LENGTH
) -> Sentence | None:
    """Why not this password, in a sentence; None when it may be used."""
    plain = password.casefold()
    if len(password) < min_length:
        return worded("Choose a password of at least {n} characters.", n=min_length)
    if len(password) > MAX_LENGTH:
        return worded("Choose a password of at most {n} characters.", n=MAX_LENGTH)
    if plain in _COMMON or len(set(plain)) < 4:
        return "This password is among the first that anybody would try. Choose another."
    if any(plain in name or name.partition("@")[0] == plain for name in names):
        return "Do not use your own address as the password."
    return None
