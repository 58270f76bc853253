"""What the load generator sends is what a real client would: its proofs pass our own checks."""

from time import time

from bench.sources import Holder

from safeconduct.adapters.signatures import check
from safeconduct.core.dpop import read_proof, trouble


def test_proofs_of_the_load_generator() -> None:
    holder = Holder("http://127.0.0.1:8400/oauth2/token")
    proofs = [read_proof(holder.proof()) for _ in range(2)]
    for proof in proofs:
        assert check(proof.jwk, "ES256", proof.jws.message, proof.jws.signature)
        origins = ["http://127.0.0.1:8400"]
        assert trouble(proof, "POST", "/oauth2/token", origins, int(time() * 1000)) is None
    assert proofs[0].spent_id != proofs[1].spent_id
    assert proofs[0].jkt == proofs[1].jkt
