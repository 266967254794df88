"""Fault injection suite: workers under load on a real broker, scheduled faults, and an external verifier.

    schedule        which fault happens when, determined by a seed
    load            the records published: payments, labels, repeats, late and reordered ones, invalid ones
    environment     the topics of one run and the settings of its processes
    processes       workers and the case processor, restarted by a supervisor
    fault_points    the same commands with named points at which they kill themselves; for tests only
    controls        rule-set switches and list entries, made with the product's commands
    analyst         claims, closes and reopens cases as they appear
    servers         the Kafka brokers and the Redis server, which can be stopped and started
    fault_runner    injects the faults of the schedule
    topic_reader    reads whole partitions
    observed        the contents of all topics after a run, and which input each record answers
    reference_run   the expected outputs and state of the same log without faults
    state_rows      a partition state as comparable rows
    stage_verifier  verifies one stage: outputs, forwarded events, state rows and position
    verifier        verifies the run: all stages, labels, cases, the view
    findings        counts of each kind of error, and the first of them as sentences
    run             one seed, from creating topics to verification

`python -m benchmarks.chaos` is the long run; `tests/fault` runs the same code for less time and tests the verifier.
"""
