"""Plots as SVG elements, drawn by the server: attributes only, no style, so that a strict content policy holds."""
