"""
Chains that have been verified, so that a peer that comes again is not verified anew.

OpenSSL looks at the chain in every handshake, and the peer proves in every handshake that it has the
key; what is remembered is what the second and the third look found. A cache belongs to one generation:
other anchors, another cache. Found is only what is equal byte for byte, in the same role, and at a time
at which every certificate up to the anchor is valid, and every revocation list that was asked current.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime

from certs.revocation import Revocations
from certs.trust_bundle import TrustBundle
from certs.verification import Peer, Role, verify

MOST_CHAINS = 4096
MOST_BYTES = 8 * 1024 * 1024
"""In all: a peer can make many chains of one certificate, by sending others along."""


class VerifiedChains:
    """The chains that *bundle* vouches for and *revocations* leave, those that came last. For any thread."""

    def __init__(
        self,
        bundle: TrustBundle,
        revocations: Revocations | None = None,
        *,
        most_chains: int = MOST_CHAINS,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._bundle = bundle
        self._revocations = revocations
        self._most_chains = most_chains
        self._most_bytes = most_bytes
        self._bytes = 0
        self._peers: OrderedDict[tuple[Role, tuple[bytes, ...]], Peer] = OrderedDict()
        self._guard = threading.Lock()

    def __repr__(self) -> str:
        return f"<VerifiedChains {len(self._peers)} of {self._bytes} bytes>"

    def __len__(self) -> int:
        return len(self._peers)

    def verify(self, chain: Sequence[bytes], *, role: Role, at: datetime) -> Peer:
        """What `verification.verify` says of *chain*; asked only if it is not known. Raises Untrusted."""
        key = (role, tuple(chain))
        with self._guard:
            known = self._peers.get(key)
            if known is not None:
                self._peers.move_to_end(key)
        if known is not None and known.not_before <= at <= known.holds_until:
            return known
        # Also one that is known, but not valid now: why is for `verify` to say.
        peer = verify(chain, self._bundle, role=role, at=at, revocations=self._revocations)
        with self._guard:
            self._keep(key, peer)
        return peer

    def _keep(self, key: tuple[Role, tuple[bytes, ...]], peer: Peer) -> None:
        if key not in self._peers:
            self._bytes += _size(peer)
        self._peers[key] = peer
        while len(self._peers) > self._most_chains or self._bytes > self._most_bytes:
            _, oldest = self._peers.popitem(last=False)
            self._bytes -= _size(oldest)


def _size(peer: Peer) -> int:
    return sum(map(len, peer.chain))
