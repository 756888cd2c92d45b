"""Exercises with their checks, a learner's progress, and a notebook's first line."""
