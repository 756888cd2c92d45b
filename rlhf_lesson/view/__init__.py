"""Plots, the report that opens from disk, and the committed results that both show."""
