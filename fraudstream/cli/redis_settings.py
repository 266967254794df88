"""[redis]: the Redis that holds the analysts' view of cases."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Meta

from fraudstream.cli.failure import Failure
from fraudstream.cli.secret_file import secret_of_file
from fraudstream.contracts.hidden_fields import repr_without


class RedisSettings(msgspec.Struct, frozen=True):
    """[redis]"""

    url: Annotated[str, Meta(min_length=1, description="Redis that holds the analysts' view of cases")] = (
        "redis://127.0.0.1:6379/0"
    )
    password_file: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="file that holds the password, read at every start; in place of one in the URL"),
    ] = None

    def __repr__(self) -> str:
        """Without the secret, as this may be logged."""
        return repr_without(self, "url")

    def url_with_password(self) -> str:
        """The URL to connect to. Raises `Failure` if the password's file cannot be read, or the URL has one as well.

        >>> RedisSettings("redis://reader@cache:6379/1").url_with_password()
        'redis://reader@cache:6379/1'
        """
        if self.password_file is None:
            return self.url
        password = secret_of_file("redis.password_file", self.password_file)
        parts = urlsplit(self.url)
        if parts.password is not None:
            raise Failure("redis.url has a password and redis.password_file names one: leave one of them out.")
        if parts.scheme not in ("redis", "rediss"):
            raise Failure("redis.password_file needs a redis.url that begins with redis:// or rediss://.")
        user, _, place = parts.netloc.rpartition("@")
        return parts._replace(netloc=f"{user}:{quote(password, safe='')}@{place}").geturl()
