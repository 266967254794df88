"""Which key a worker uses: of the secret in its settings, without asking the cluster."""

from __future__ import annotations

from fraudstream.engine.digest import PUBLIC_KEY
from fraudstream.engine.identifier_key import PUBLIC_SECRET, key_of
from fraudstream.kafka import Brokers
from fraudstream.stream.identifiers import digest_key
from fraudstream.stream.observer import Unobserved
from fraudstream.stream.settings import StreamSettings

SECRET = bytes.fromhex("5e" * 16)


async def test_a_given_secret_needs_no_broker() -> None:
    for secret, key in ((SECRET, key_of(SECRET)), (PUBLIC_SECRET, PUBLIC_KEY)):
        settings = StreamSettings(brokers=Brokers("nowhere:1"), checkpoint_mode="batch", identifier_secret=secret)
        assert await digest_key(settings, Unobserved().of_stage("account")) == key
