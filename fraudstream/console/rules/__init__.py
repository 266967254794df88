"""Rules for those who write them, without HTTP: what is in force, drafts, checks while typing, and trials.

library      the rule set in force, read again when it is old, and the test cases beside it
cluster_readers  what reads the rule set in force from the cluster
activity     how often a rule raised cases, and how these were closed
check        the faults of a draft
drafts       what each user has drafted, in Redis
numbers      the status and the numbers of a rule, changed without editing its text
score_settings  the same of the score and of models
entries      allow, deny and watch lists, and changes of them
changes      what can be proposed: a draft, an earlier rule set, entries of a list
proposals    what was proposed and decided, in Redis
approval     four eyes: what was proposed is approved, and put in force
trials       test cases, what a change makes of recent payments, its activation: each in a process of its own
desk         the above for pages
"""
