"""A class's marks: hidden cases on hundreds of submissions, each run in a sandbox, judged from outside by plain numbers.

The exercises are in course/specs/; what a notebook answers at once is in course/checks.py. A submission passes through intake,
worker (in the sandbox, through frames), marking, run and outputs, in this order.
"""
