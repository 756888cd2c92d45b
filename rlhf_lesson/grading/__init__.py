"""A class's marks: hidden cases on hundreds of submissions, each run in a sandbox, judged from outside by plain numbers.

Leaves out the exercises (specs/) and answers in a notebook (course/checks.py). In order of a submission's way: intake, worker
(in sandbox, through frames), judge, run, outputs.
"""
