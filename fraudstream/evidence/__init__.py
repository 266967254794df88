"""The bytes of files that were added to cases, under the SHA-256 of these bytes.

A case names its files by digest (`contracts.attached_file`). So a store needs no index and knows no case: what no case
lists any longer is removed (`operations.unlisted_files`).
"""
