"""A Solana address through a node: coin, tokens, fees and failures, exact and page by page."""

from decimal import Decimal

from tests.adapters.connectors.watching import sums, watching
from tests.solana_node import FEE, named, solana

ME, OTHER = named("me"), named("other")
USDC, ODD = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", named("some token")
SOL = 10**9


async def test_coin_tokens_and_history_add_up() -> None:
    async with solana() as chain, watching("solana", chain.url) as it:
        me = it.at(ME)
        chain.fund(ME, 2 * SOL)
        chain.fund(OTHER, SOL)
        chain.give(USDC, 6, OTHER, ME, 2_500_000)  # names only the token accounts
        chain.give(ODD, 0, OTHER, ME, 3)
        chain.move(ME, OTHER, SOL)
        chain.move(ME, OTHER, SOL, fails=True)
        chain.give(USDC, 6, ME, OTHER, 1)
        held = {"SOL": Decimal(SOL - 3 * FEE) / SOL, "USDC": Decimal("2.499999")}
        held[f"token@{ODD[:10]}"] = Decimal(3)
        assert await me.held() == held
        readings = await me.readings()
        assert sums(readings) == held, "nothing is lost, nothing counted twice"
        kinds = [one.kind for one in readings]
        assert kinds == ["deposit", "deposit", "deposit", "withdrawal", "fee", "withdrawal"]
        sent = sorted(f"{leg.amount:+f} {leg.asset} {leg.role}" for leg in readings[-1].legs)
        assert sent == ["-0.000001 USDC principal", "-0.000005000 SOL fee"]


async def test_a_long_history_comes_in_pages_and_ends_at_what_is_known() -> None:
    async with solana() as chain, watching("solana", chain.url) as it:
        chain.fund(ME, SOL)
        for _ in range(60):
            chain.move(ME, OTHER, 1)
        me = it.at(ME)
        readings = await me.readings()
        assert len(readings) == 61
        assert chain.asked.count("getSignaturesForAddress") == 3
        chain.asked.clear()
        await me.items("transactions", mark=str(readings[-5].at))
        assert chain.asked.count("getSignaturesForAddress") == 1
