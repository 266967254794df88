"""Operations on a running system: activate rules, edit lists, act on a case, publish, replay dead letters, and others.

Each is an async function or a small class that takes its settings by name, returns a result struct, and raises an
`OperationError` whose facts are attributes. Nothing here reads arguments, prints or logs: the command line, the console
and the HTTP gateway do that.
"""
