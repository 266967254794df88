"""The bridge: a bank's topic of messages to payments, exactly once.

`conversion` turns messages into payments and refusals by a mapping; `bridge` is the consumer; `writers` writes what it
made, together with the position, in one transaction.
"""
