"""Rules for those who write them, without HTTP: what is in force, drafts, checks while typing, and trials.

library      the rule set in force, read again when it is old, and the test cases beside it
activity     how often a rule raised cases, and how these were closed
check        the faults of a draft
drafts       what each user has drafted, in Redis
trials       test cases, and what a draft makes of recent payments, each in a process of its own
desk         the above for pages
"""
