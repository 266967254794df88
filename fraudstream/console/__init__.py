"""The web console: fraud analysts log in, work the queue of cases and act on them.

`server` starts everything; `app` is the web application. Pages (`web`) ask `desk` for cases and pass actions to it.
`feed` follows the topic `cases` and keeps `index`, from which the queue is read; `live` tells browsers what changed.
`access` decides who may log in and do what. `reasons` and `plots` turn the evidence of alerts into what a page shows.
"""
