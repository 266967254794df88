"""The live board of `fraudstream up`: what is known of a run (`run_state`), as a screen (`screen`) and as plain lines
(`lines`)."""
