"""What students move with their hands: one file a widget, its drawing beside it in `static/`.

Leaves out equations of its own: each widget's numbers equal a library function's, and a test says so.
"""
