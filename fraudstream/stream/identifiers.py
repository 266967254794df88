"""The digest key of a deployment: of the secret in its settings, else of the one that the topic `controls` keeps."""

from __future__ import annotations

from fraudstream.controls.secret import read_or_make_secret
from fraudstream.engine.digest import DigestKey
from fraudstream.engine.identifier_key import key_of
from fraudstream.stream.control_log import controls_topic
from fraudstream.stream.observer import StageObserver
from fraudstream.stream.settings import StreamSettings
from fraudstream.stream.topics.cluster import until_answered


async def digest_key(settings: StreamSettings, observer: StageObserver) -> DigestKey:
    """The key of all workers of the deployment. The first worker of all makes the secret, if none was given.

    Retries until a broker answers. Raises `PermanentFailure` for errors that a retry cannot fix.
    """
    secret = settings.identifier_secret
    if secret is None:
        topic = controls_topic(settings)
        secret = await until_answered(settings, observer, lambda: read_or_make_secret(topic))
    return key_of(secret)
