"""Sends what `core/security_mail.py` says is to be told: the job `security.mail`."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from safeconduct.core.jobs import Failed, Outcome
from safeconduct.core.model import Job
from safeconduct.core.pumping import Counted, count_all, shared, wait_of
from safeconduct.core.security_mail import MAILS, SUBJECTS, TEXTS, News, news_of
from safeconduct.core.unit import Done, Facts
from safeconduct.core.users import user_ref
from safeconduct.ports.clock import Clock
from safeconduct.ports.messages import Message, Messenger, NotConfigured, Undeliverable
from safeconduct.ports.phones import Phones
from safeconduct.ports.store import Store
from safeconduct.services.keys import Keys
from safeconduct.services.realms import Realms

Say = Callable[[str | None, str], str]
"""A sentence in a language, as far as there are words for it."""

Allowed = Literal["yes", "last", "no"]

NOTHING = "If it was you, there is nothing to do."
NOT_YOU = (
    "If it was not you, go to {page}, set a new password there, sign out all other browsers, and "
    "look through what you sign in with. If you cannot get in, use “Forgot your password?”, or "
    "turn to whoever runs {host}."
)
NEVER = "Nobody from us will ever ask you for a password or a code."
MANY = (
    "There were very many changes within this hour. No more mail about them is sent until it is "
    "over: your account page shows what holds now."
)
SHORT = "{what} ({host}). If it was not you, sign in there and set a new password."
WHEN = "When: {when}"
WHERE = "Where: {host}"
ABOUT = "What: {address}"


class SecurityMail:
    def __init__(
        self,
        *,
        store: Store,
        keys: Keys,
        clock: Clock,
        realms: Realms,
        messenger: Messenger,
        texts: Messenger | None,
        phones: Phones | None,
        say: Say,
    ) -> None:
        self.store, self.keys, self.clock, self.realms = store, keys, clock, realms
        self.messenger, self.texts, self.phones, self.say = messenger, texts, phones, say

    async def run(self, row: Job) -> Outcome:
        """At least once: a mail that was sent as its process ended is sent again."""
        news = news_of(row)
        sender = self.texts if news.to.kind == "phone" else self.messenger
        if sender is None:
            return None
        allowed = await self._count(row, news)
        if allowed == "no":
            return None
        try:
            spoken = await self._language(row, news)
            await sender.send(self._write(row, news, spoken, last=allowed == "last"))
        except NotConfigured:
            return None
        except Undeliverable:
            await self._uncount(row, news)
            return Failed("undeliverable")
        return None

    async def _language(self, row: Job, news: News) -> str | None:
        """The person's own, where it is known (`locale`); else that of the page, which whoever made
        the change has chosen.
        """
        user = await self.store.get(user_ref(row.tenant_id, news.user_id))
        locale = str(user.profile.get("locale") or "") if user is not None else ""
        return locale.partition("-")[0].lower() or news.language

    async def _count(self, row: Job, news: News) -> Allowed:
        """Whether another may go to this user within the hour; texts are held back as codes are."""
        (limit, ref), *more = self._counters(row, news)
        now = self.clock.now()

        def decide(facts: Facts) -> Done[Allowed]:
            if wait_of([(limit, ref), *more], facts, now):
                return Done("no")
            counter = facts.get(ref)
            last = counter is not None and counter.count == limit.tries - 1
            return Done("last" if last else "yes", count_all([(limit, ref), *more], facts, now))

        reads = [ref, *(other for _, other in more)]
        return (await self.store.run(reads, decide)).answer

    async def _uncount(self, row: Job, news: News) -> None:
        """What did not go out does not keep anything else from going out."""
        counters = self._counters(row, news)

        def decide(facts: Facts) -> Done[None]:
            return Done(
                None, [w for limit, ref in counters for w in limit.forgive(ref, facts.get(ref))]
            )

        await self.store.run([ref for _, ref in counters], decide)

    def _counters(self, row: Job, news: News) -> tuple[Counted, ...]:
        """The user's own first."""
        key, number = self.keys.of(row.tenant_id).digest_key, news.to.value
        by_phone = news.to.kind == "phone"
        own = TEXTS if by_phone else MAILS
        mine = (own, own.ref(key, row.tenant_id, news.user_id))
        country = (self.phones.country(number) if self.phones else None) or ""
        return (mine, *(shared(key, row.tenant_id, number, country) if by_phone else ()))

    def _write(self, row: Job, news: News, language: str | None, *, last: bool) -> Message:
        def say(text: str, **values: str) -> str:
            return self.say(language, text).format(**values)

        page = f"{self.realms.issuer(row.tenant_id)}/account"
        host = page.partition("://")[2].removesuffix("/account")
        what = say(SUBJECTS[news.what])
        if news.to.kind == "phone":
            return Message(to=news.to.value, subject="", text=say(SHORT, what=what, host=host))
        facts = [say(WHERE, host=host), say(WHEN, when=_when(news.at))]
        if news.about:
            facts.insert(0, say(ABOUT, address=news.about))
        parts = [f"{what}.", "\n".join(facts), say(NOTHING), say(NOT_YOU, page=page, host=host)]
        parts += [say(MANY)] if last else []
        return Message(
            to=news.to.value, subject=what, text="\n\n".join([*parts, say(NEVER)]) + "\n"
        )


def _when(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M} UTC"
