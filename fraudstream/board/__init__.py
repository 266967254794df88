"""The live board of `fraudstream up`: the state of a run (`run_state`), shown as a screen (`screen`) or as lines of
text (`lines`)."""
