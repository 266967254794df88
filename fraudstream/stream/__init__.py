"""The stages of a worker: processing, forwarding, cut-over, checkpoints. `stream.faust` drives them."""
