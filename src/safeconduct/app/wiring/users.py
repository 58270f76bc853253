"""People: who they are, how they prove it, and what ends when they leave."""

from dataclasses import dataclass

from safeconduct.app.wiring.clients import ClientServices
from safeconduct.app.wiring.ground import Ground
from safeconduct.services.accounts import Accounts
from safeconduct.services.farewells import Farewells
from safeconduct.services.login import Login
from safeconduct.services.organizations import Organizations
from safeconduct.services.own_identifiers import OwnIdentifiers
from safeconduct.services.passkeys import OwnPasskeys
from safeconduct.services.password_reset import PasswordReset
from safeconduct.services.passwords import OwnPassword
from safeconduct.services.second_factor import SecondFactor
from safeconduct.services.security_mail import SecurityMail
from safeconduct.services.sessions import Sessions
from safeconduct.services.setup import Setup
from safeconduct.services.signup import Signup
from safeconduct.services.users import Users
from safeconduct.web.kit.language import say


@dataclass(frozen=True, kw_only=True)
class UserServices:
    users: Users
    accounts: Accounts
    setup: Setup
    sessions: Sessions
    farewells: Farewells
    signup: Signup
    login: Login
    passkeys: OwnPasskeys
    password: OwnPassword
    own_identifiers: OwnIdentifiers
    password_reset: PasswordReset
    second_factor: SecondFactor
    security_mail: SecurityMail
    organizations: Organizations


def user_services(ground: Ground, apps: ClientServices) -> UserServices:
    common, keyed, parts, realms = ground.common, ground.keyed, ground.parts, ground.realms
    passwords = parts.passwords
    users = Users(**common, passwords=passwords)
    sessions = Sessions(**keyed, realms=realms)
    login = Login(**keyed, passwords=passwords, sessions=sessions)
    signup = Signup(
        say=say,
        **keyed,
        messenger=parts.messenger,
        texts=parts.texts,
        phones=parts.phones,
        countries=ground.switches.sms_countries,
        sessions=sessions,
        realms=realms,
    )
    return UserServices(
        users=users,
        accounts=Accounts(**common),
        setup=Setup(**keyed, passwords=passwords, sessions=sessions),
        sessions=sessions,
        farewells=Farewells(
            **keyed,
            clients=apps.clients,
            answers=apps.answers,
            outbound=parts.outbound,
            realms=realms,
        ),
        signup=signup,
        login=login,
        passkeys=OwnPasskeys(**common, passkeys=parts.passkeys, sessions=sessions),
        own_identifiers=OwnIdentifiers(**keyed, signup=signup, say=say),
        password=OwnPassword(
            **common, passwords=passwords, sessions=sessions, users=users, login=login
        ),
        password_reset=PasswordReset(
            **keyed, passwords=passwords, sessions=sessions, signup=signup
        ),
        second_factor=SecondFactor(**keyed, vault=ground.vault, sessions=sessions),
        security_mail=SecurityMail(
            **ground.reading,
            realms=realms,
            messenger=parts.messenger,
            texts=parts.texts,
            phones=parts.phones,
            say=say,
        ),
        organizations=Organizations(**common),
    )
