"""The report of an evaluation: one HTML file with plots in SVG, without scripts and without anything from outside."""
