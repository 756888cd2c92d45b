"""Figures need no screen, and no two roles look alike."""

import subprocess
import sys

from rlhf_lesson.view import plots


def test_drawing_needs_no_pyplot_and_so_no_screen():
    code = "import sys; from rlhf_lesson.view import plots; plots.figure(); print('matplotlib.pyplot' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_roles_differ_in_colour_and_dash_and_marker():
    for key in ("color", "linestyle", "marker"):
        assert len({style[key] for style in plots.ROLES.values()}) == len(plots.ROLES)
