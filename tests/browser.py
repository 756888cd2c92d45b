"""A real JupyterLab and a real headless Chromium for the tests of what people click: fixtures `chromium` and `lab`.

Leaves out what is looked at: `notebook` runs cells in JupyterLab and gives the page, `bare` draws a widget without a kernel.
"""

import ast
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest

from rlhf_lesson.widgets import look

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CURE = "install Debian's or Ubuntu's package chromium, or run: python -m playwright install chromium"
TOKEN = "t"
SECONDS = 1000  # Playwright counts in milliseconds


class Lab(NamedTuple):
    """A running JupyterLab: its address on this machine and the folder it shows."""

    url: str
    folder: Path


def ask(lab: Lab, path: str, method: str = "GET"):
    """JupyterLab's own interface, e.g. ask(lab, "api/sessions")."""
    request = urllib.request.Request(f"{lab.url}/{path}?token={TOKEN}", method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        text = answer.read()
    return json.loads(text) if text else None


@pytest.fixture(scope="session")
def chromium():
    """A headless Chromium. Without one the test is skipped and says what to install; where .ci/run found one it fails."""
    give_up = pytest.fail if os.environ.get("RLHF_LESSON_BROWSER") == "required" else pytest.skip
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        give_up('Playwright is missing: pip install "rlhf-lesson[test]"')
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        try:
            made = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        except Error as error:
            give_up(f"no Chromium starts here; {CURE}\n{error}")
        yield made
        made.close()


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """JupyterLab on a free port of this machine with settings of its own; ended by its process id."""
    home = tmp_path_factory.mktemp("lab")
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    for folder in (settings, home / "notebooks"):
        folder.mkdir(parents=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False}  # else a pop-up that asks about news covers the page
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folders = {"CONFIG_DIR": "config", "DATA_DIR": "data", "RUNTIME_DIR": "runtime"}
    env = dict(os.environ, **{f"JUPYTER_{name}": str(home / folder) for name, folder in folders.items()})
    env |= {"JUPYTERLAB_SETTINGS_DIR": str(home / "settings"), "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces")}
    env.pop("RLHF_NO_WIDGETS", None)
    options = [f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}"]
    options += [
        f"--ServerApp.root_dir={home / 'notebooks'}",
        "--ServerApp.ip=127.0.0.1",
        "--no-browser",
        "--allow-root",
    ]
    # If the test run itself is killed, nobody is left to end the server: it ends itself when nothing has used it for long.
    options += ["--ServerApp.shutdown_no_activity_timeout=900", "--MappingKernelManager.cull_idle_timeout=600"]
    command = [sys.executable, "-m", "jupyterlab", *options, "--LabApp.expose_app_in_browser=True"]
    with (home / "log").open("w") as log:
        server = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        made = Lab(f"http://127.0.0.1:{port}", home / "notebooks")
        for _ in range(600):
            assert server.poll() is None, (home / "log").read_text()[-2000:]
            try:
                ask(made, "api/status")
                break
            except OSError:
                time.sleep(0.2)
        else:
            pytest.fail(f"JupyterLab did not answer in two minutes:\n{(home / 'log').read_text()[-2000:]}")
        yield made
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()


@contextmanager
def notebook(chromium, lab: Lab, *cells: str, name: str = "test", width: int = 1200, height: int = 1000):
    """Runs the cells in JupyterLab and yields the page while the last is still running; then ends page and kernel.

    Wait for what should appear: `page.locator(".rl").first.wait_for(timeout=90_000)`.
    """
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(made, lab.folder / f"{name}.ipynb")
    page = chromium.new_page(viewport={"width": width, "height": height})
    try:
        page.goto(f"{lab.url}/lab/tree/{name}.ipynb?token={TOKEN}&reset", timeout=90 * SECONDS)
        status = "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status"
        page.wait_for_function(f"() => {status} === 'idle'", timeout=120 * SECONDS)
        page.evaluate("() => { jupyterapp.commands.execute('notebook:run-all-cells') }")
        yield page
    finally:
        page.close()
        for session in ask(lab, "api/sessions"):
            if session["path"] == f"{name}.ipynb":
                ask(lab, f"api/sessions/{session['id']}", "DELETE")


def dark(page, on: bool = True):
    """JupyterLab in its dark theme, or its light one."""
    theme = "JupyterLab Dark" if on else "JupyterLab Light"
    page.evaluate("theme => jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
    page.wait_for_function(f"() => document.body.dataset.jpThemeLight === '{str(not on).lower()}'")


KERNEL = """async (expression) => {
  const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const asked = { code: "", store_history: false, user_expressions: { answer: `__import__("json").dumps(${expression})` } };
  const { content } = await kernel.requestExecute(asked).done;
  const { data, evalue } = content.user_expressions.answer;
  if (!data) throw new Error(evalue);
  return data["text/plain"];
}"""


def in_kernel(page, expression: str):
    """The value of a Python expression in the notebook's kernel, by way of JSON."""
    return json.loads(ast.literal_eval(page.evaluate(KERNEL, expression)))


BARE = """<!doctype html><meta charset="utf-8"><style>body {{ margin: 16px; }} {css}</style>
<body style="color-scheme: light dark"><div id="here"></div>"""
DRAW = """async ([esm, state]) => {
  const address = URL.createObjectURL(new Blob([`${esm}\\nexport { plainModel };`], { type: "text/javascript" }));
  window.module = await import(address);
  window.model = module.plainModel(state);
  window.end = module.default.render({ model, el: document.getElementById("here") });
}"""


@contextmanager
def bare(chromium, esm: str, css: str, state: dict, *, scheme: str = "light", width: int = 960, height: int = 900):
    """A page with one widget and no kernel; `module`, `model` and `end` are its globals. Any outside request fails it."""
    page = chromium.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    try:
        page.set_content(BARE.format(css=css))
        page.evaluate(DRAW, [esm, state])
        yield page
        assert not errors, errors
        outside = [url for url in asked if not url.startswith(("about:", "blob:", "data:"))]
        assert not outside, f"the widget asked for {outside}"
    finally:
        page.close()


def twin(chromium, name, state, calls):
    """What static/NAME.js's maths says to each [function, *arguments]."""
    with bare(chromium, look.esm(name), look.css(name), state) as page:
        run = "calls => calls.map(([name, ...given]) => module.default.maths[name](...given))"
        return page.evaluate(run, calls)
