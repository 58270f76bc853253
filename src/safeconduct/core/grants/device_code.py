"""RFC 8628 §3.4: a device asks whether its user has let it in."""

from safeconduct.core.form import Form
from safeconduct.core.grants._deferred import Ask, ask_of, decide, peek, reads
from safeconduct.core.grants._grant import Grant

NAME = "urn:ietf:params:oauth:grant-type:device_code"


def parse(form: Form) -> Ask:
    return ask_of("device", form, "device_code", "8628#3.5")


GRANT = Grant(name=NAME, parse=parse, peek=peek, reads=reads, decide=decide, starts_family=True)
