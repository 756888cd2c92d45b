"""What students move with their hands: one file per widget, its drawing beside it in `static/`.

No widget has equations of its own: its numbers equal a library function's, and a test says so.

A widget NAME is static/NAME.js, which default-exports {render({model, el}), maths}, and a subclass of `look.Widget` in
NAME.py whose `state()` is plain JSON. That is all that widgets/page.py needs to show it without a kernel. A widget whose
JavaScript is too long for one file has parts, static/NAME_PART.js, which `look.script` puts in front of it.

`make lint` checks the form of these files with `deno fmt` (settings in deno.json); `.venv/bin/deno fmt` puts it right.
"""
