"""The history store: payments, decisions and labels of the past as Parquet files, beyond what the engine's state holds.

`follower` reads the topics, `rows` turns records into rows of `tables`, `store` keeps them: files, and one `manifest`
that names them together with the positions of the topics. `reader` answers questions. `erasure` removes an account,
`check` compares the files with the manifest.
"""
