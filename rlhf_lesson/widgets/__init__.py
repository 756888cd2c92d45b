"""What students move with their hands: one file a widget, its drawing beside it in `static/`.

Leaves out equations of its own: each widget's numbers equal a library function's, and a test says so.

A widget NAME is static/NAME.js, which default-exports {render({model, el}), maths}, and a subclass of `look.Widget` in NAME.py
whose `state()` is plain JSON. That is all that widgets/page.py needs to show it without a kernel.
"""
