"""Who may use the console: local users, passwords, sessions, roles, limits on log-ins, tokens against forged requests.

Everything that lasts is in Redis, under `PREFIX`.
"""

from typing import Final

PREFIX: Final = "fraudstream:console:"
