"""CURVE key pairs, as the printable text ZeroMQ takes.

Made by whoever listens (service or worker); a client makes a throw-away pair of its own. The
server's public key is what a connection file carries: knowing it is the right to connect.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import zmq


@dataclass(frozen=True)
class KeyPair:
    """A public and a secret key, 40 characters (Z85) each."""

    public: str
    secret: str = field(repr=False)

    @classmethod
    def generate(cls) -> KeyPair:
        """A new pair."""
        public, secret = zmq.curve_keypair()
        return cls(public.decode("ascii"), secret.decode("ascii"))

    @classmethod
    def from_secret(cls, secret: str) -> KeyPair:
        """The pair that `secret` belongs to; raises ValueError if it is no key."""
        try:
            return cls(zmq.curve_public(secret.encode("ascii")).decode("ascii"), secret)
        except (zmq.ZMQError, ValueError) as error:
            raise ValueError("not a CURVE secret key") from error
