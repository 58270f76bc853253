"""Every connector there is, by the name under which an entry asks for it (`api.via.connector`)."""

from safeconduct.adapters.connectors import Connector
from safeconduct.adapters.connectors.bitcoin import BitcoinConnector
from safeconduct.adapters.connectors.ccxt import CcxtConnector
from safeconduct.adapters.connectors.evm import EvmConnector
from safeconduct.adapters.connectors.solana import SolanaConnector


def connectors() -> dict[str, Connector]:
    return {
        "ccxt": CcxtConnector(),
        "evm": EvmConnector(),
        "bitcoin": BitcoinConnector(),
        "solana": SolanaConnector(),
    }
