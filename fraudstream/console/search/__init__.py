"""The index of all cases on disk: what is indexed of a case, how, and what can be asked.

entry · words        what is found of a case: its row, words and ids
schema               the fields of the index, and a case as a document
batches · seen_ids   documents on their way to it while the topic is read at the start, and which ids have been
disk_index           the index in its directory: opened or made anew, written, committed
clauses              what the index is asked for a query of the queue
committed_cases      what has been committed: rows in order, counts, single cases
tally                counts and sums over cases, for the overview: question, answer, the answer over cases in memory
committed_tally      the same over the committed cases
"""
