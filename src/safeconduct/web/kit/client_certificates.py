"""TLS that asks clients for a certificate and lets the application judge it (RFC 8705 §2).

Python's `ssl` ends the handshake of a client whose certificate it does not trust itself, and a
self-signed one it never does. pyOpenSSL asks us, and we say yes to all of them: that the client
holds the key is proved by the handshake; whether the certificate means anything is decided by
`services.authentication`, and until then it is bytes.

uvloop drives a server's TLS through `SSLContext.wrap_bio`, so this is a context whose connections
are pyOpenSSL's.
"""

import ssl
from pathlib import Path
from typing import Any

from OpenSSL import SSL, crypto

CIPHERS = ":".join(
    f"ECDHE-{key}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384")
    for key in ("ECDSA", "RSA")
)
"""RFC 9325 §4.2: all that is recommended for TLS 1.2; FAPI 2.0 §5.2.1 permits no other. TLS 1.3
knows only such."""


class AskingContext(ssl.SSLContext):
    """A server's context: TLS 1.2 and up, HTTP/1.1, a client certificate if there is one."""

    _tls: SSL.Context

    def __new__(cls, chain: Path, key: Path) -> "AskingContext":
        made = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        made._tls = _context(chain, key)
        return made

    def wrap_bio(  # type: ignore[override]
        self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *_: Any, **__: Any
    ) -> "Conversation":
        return Conversation(self._tls, incoming, outgoing)


def _context(chain: Path, key: Path) -> SSL.Context:
    made = SSL.Context(SSL.TLS_SERVER_METHOD)
    made.set_min_proto_version(SSL.TLS1_2_VERSION)
    made.set_cipher_list(CIPHERS.encode())
    # Each connection shows its certificate anew: nothing is resumed
    made.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    made.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    made.use_certificate_chain_file(str(chain))
    made.use_privatekey_file(str(key))
    made.check_privatekey()
    made.set_verify(SSL.VERIFY_PEER, lambda *_: True)
    made.set_alpn_select_callback(_choose)
    return made


def _choose(_: SSL.Connection, offered: list[bytes]) -> Any:
    return b"http/1.1" if b"http/1.1" in offered else SSL.NO_OVERLAPPING_PROTOCOLS


class Conversation:
    """One connection, as `ssl.SSLObject` is to its driver; the bytes go through the two buffers."""

    def __init__(self, context: SSL.Context, incoming: Any, outgoing: Any) -> None:
        self._in, self._out = incoming, outgoing
        self._peer = SSL.Connection(context, None)
        self._peer.set_accept_state()

    def do_handshake(self) -> None:
        self._run(self._peer.do_handshake)

    def read(self, size: int = 65_536, buffer: Any = None) -> Any:
        try:
            if buffer is None:
                return self._run(self._peer.recv, size)
            return self._run(self._peer.recv_into, buffer, size)
        except ssl.SSLZeroReturnError:
            return b"" if buffer is None else 0

    def write(self, data: Any) -> int:
        return int(self._run(self._peer.send, bytes(data)))

    def unwrap(self) -> None:
        if not self._run(self._peer.shutdown):
            raise ssl.SSLWantReadError

    def getpeercert(self, binary_form: bool = False) -> Any:
        """Only the bytes: there are no fields of what nobody has checked."""
        found = self._peer.get_peer_certificate()
        if not binary_form or found is None:
            return None
        return crypto.dump_certificate(crypto.FILETYPE_ASN1, found)

    def cipher(self) -> tuple[str | None, str | None, int | None]:
        peer = self._peer
        return peer.get_cipher_name(), peer.get_cipher_version(), peer.get_cipher_bits()

    def compression(self) -> None:
        """There is none (CRIME)."""

    def _run(self, act: Any, *args: Any) -> Any:
        """One step with what has arrived; what it makes goes out, whether or not it succeeds."""
        arrived = self._in.read()
        if arrived:
            self._peer.bio_write(arrived)
        if self._in.eof:
            self._peer.bio_shutdown()
        try:
            return act(*args)
        except SSL.WantReadError:
            raise ssl.SSLWantReadError from None
        except SSL.ZeroReturnError:
            raise ssl.SSLZeroReturnError from None
        except SSL.SysCallError:
            raise ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "the client hung up") from None
        except SSL.Error as error:
            raise ssl.SSLError(1, str(error.args[:1])) from None
        finally:
            self._drain()

    def _drain(self) -> None:
        while True:
            try:
                self._out.write(self._peer.bio_read(65_536))
            except SSL.WantReadError:
                return
