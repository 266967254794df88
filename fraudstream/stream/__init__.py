"""The stages of a worker: processing, forwarding, cut-over, checkpoints, stops. `stream.faust` drives them."""
