"""CIBA Core §10.1: a client asks whether the person has said yes."""

from safeconduct.core.form import Form
from safeconduct.core.grants._deferred import Ask, ask_of, decide, peek, reads
from safeconduct.core.grants._grant import Grant

NAME = "urn:openid:params:grant-type:ciba"


def parse(form: Form) -> Ask:
    return ask_of("ciba", form, "auth_req_id", "CIBA#11")


GRANT = Grant(name=NAME, parse=parse, peek=peek, reads=reads, decide=decide, starts_family=True)
