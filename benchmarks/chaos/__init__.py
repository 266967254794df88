"""The fault suite: workers under load on a real broker, a written schedule of faults, and a judge outside of them.

    schedule      what happens when, from a seed
    load          what is published: payments, labels, repeats, late and shuffled ones, garbage
    world         the topics of one run, of as many stages as its rules need, and the settings of its processes
    processes     workers and the case agent, restarted as a supervisor would
    fault_points  the same commands with named places in which they kill themselves; for tests only
    controls      rules switched and list entries made, by the product's commands
    analyst       claims, closes and reopens the cases that appear
    servers       the broker and the Redis, stopped and started without losing (or with losing) what they hold
    faults        carries the schedule out
    topic_reader  whole partitions, as they stand when all is over
    observed      all topics of a run, and whose answers their records are
    undisturbed   what the same log comes to when nothing happens
    state_rows    a memory as rows that can be compared
    stage_judge   one stage: its answers, what it hands on, its rows and its position
    judge         what was lost, counted twice, different, invented: all stages, labels, cases, the view
    findings      how often each, and the first of them as sentences
    run           one seed, from its topics to its judgement

`python -m benchmarks.chaos` is the long run; `tests/fault` runs the same code shorter, and tries the judge itself.
"""
