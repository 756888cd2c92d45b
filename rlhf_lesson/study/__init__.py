"""Whole experiments made of the loops: the chain of stages, the demo, sweeps, and what is measured on samples."""
