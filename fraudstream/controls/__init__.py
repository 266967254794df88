"""The topic `controls`: rule sets, artefacts, list entries and the last rule-set switch, read and written.

`controls` is compacted. It keeps the content of each digest, the current list entries and the last switch; the log of
payments has the order in which switches and entries took effect.

    topic    how the topic is reached
    reader   the one reader of the topic
    writer   the writer of the topic, and of controls in the log
    store    both as one object, for workers
    secret   the identifier secret that the topic keeps
"""
