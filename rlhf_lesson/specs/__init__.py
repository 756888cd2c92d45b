"""Every exercise of the course by name, in the order of the chapters; one module a chapter.

Leaves out code that runs them: see exercise.py, checks.py and grading/.
"""

from rlhf_lesson.specs import chapter_00, chapter_06

EXERCISES = {e.name: e for chapter in (chapter_00, chapter_06) for e in chapter.EXERCISES}
