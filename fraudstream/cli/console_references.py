"""The references and pseudonyms of the console, for commands: made with the secret of the settings, or of Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings

if TYPE_CHECKING:
    from fraudstream.console.access.references import References


async def references_of(settings: Settings) -> References:
    """As the console has them. Raises `Failure` if Redis keeps the secret and does not answer."""
    from redis import RedisError

    from fraudstream.cases.redis_closing import close_redis
    from fraudstream.cases.redis_error_text import redis_error_text
    from fraudstream.console.access.references import References, read_or_make_secret
    from fraudstream.console.server import redis_client

    secret = settings.console.reference_secret()
    if secret is None:
        redis = redis_client(settings.redis.url_with_password())
        try:
            secret = await read_or_make_secret(redis)
        except (RedisError, OSError) as error:
            sentence = f"the secret of pseudonyms cannot be read: {redis_error_text(error)}"
            raise Failure(f"{sentence}. Or set console.reference_secret_file.") from error
        finally:
            await close_redis(redis)
    return References(secret)
