"""What the pages for the team lead show: counts over cases from the index, figures of payments from the history.

outcomes       how cases were closed, and the precision that follows
case_figures   the overview of cases: hours, backlog, people, dispositions, channels, partners, weeks, money
desk           asks the index for it, and tells open pages when it has changed
"""
