"""Sends what `core/security_mail.py` says is to be told: the job `security.mail`."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from safeconduct.core.jobs import Failed, Outcome
from safeconduct.core.model import Counter, Job
from safeconduct.core.security_mail import MAILS, SUBJECTS, News, news_of
from safeconduct.core.unit import Done, Facts, Ref
from safeconduct.ports.clock import Clock
from safeconduct.ports.messages import Message, Messenger, NotConfigured, Undeliverable
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
        say: Say,
    ) -> None:
        self.store, self.keys, self.clock, self.realms = store, keys, clock, realms
        self.messenger, self.texts, self.say = messenger, texts, say

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
            await sender.send(self._write(row, news, last=allowed == "last"))
        except NotConfigured:
            return None
        except Undeliverable:
            await self._uncount(row, news)
            return Failed("undeliverable")
        return None

    async def _count(self, row: Job, news: News) -> Allowed:
        """Whether another mail may go to this user within the hour."""
        ref, now = self._counter(row, news), self.clock.now()

        def decide(facts: Facts) -> Done[Allowed]:
            counter = facts.get(ref)
            if MAILS.wait(counter, now):
                return Done("no")
            last = counter is not None and counter.count == MAILS.tries - 1
            return Done("last" if last else "yes", (MAILS.count(ref, counter, now),))

        return (await self.store.run((ref,), decide)).answer

    async def _uncount(self, row: Job, news: News) -> None:
        """What did not go out does not keep anything else from going out."""
        ref = self._counter(row, news)
        await self.store.run((ref,), lambda facts: Done(None, MAILS.forgive(ref, facts.get(ref))))

    def _counter(self, row: Job, news: News) -> Ref[Counter]:
        return MAILS.ref(self.keys.of(row.tenant_id).digest_key, row.tenant_id, news.user_id)

    def _write(self, row: Job, news: News, *, last: bool) -> Message:
        def say(text: str, **values: str) -> str:
            return self.say(news.language, text).format(**values)

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
