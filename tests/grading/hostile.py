"""Submissions that try to get points, to do harm or to hide: each is a cell for `masked_mean`, with the failures it may end in.

Leaves out the honest ones beside them, which the tests add. VICTIM, PORT and JUDGE stand for a file that anybody may write, a
listening port and the judge's process: the tests put the real ones in.
"""

# ruff: noqa: E501
HEAD = "def masked_mean(values, mask):\n"
NEEDING = "def masked_mean(values, mask, needed=needed):\n"  # so that the statements before it are run at load


def indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.strip("\n").split("\n"))


def body(text: str, *, before: str = "") -> str:
    """The cell with this body, and maybe statements before it, in one block that the function needs."""
    first = f"if True:\n{indented(before)}\n    needed = None\n{NEEDING}" if before else HEAD
    return f"# exercise: masked_mean\n{first}{indented(text)}\n"


def top(text: str) -> str:
    """The cell with statements that run when it is loaded, and a wrong answer."""
    return body("return 123.0", before=text)


VALUE, RAISED, CRASHED, IMPORT = {"wrong-value"}, {"raised"}, {"crashed"}, {"import-failed"}
ANY_TYPE = {"wrong-type", "wrong-value", "wrong-shape", "wrong-dtype"}
LOST = {"crashed", "timeout", "memory", "raised", "too-large", "import-failed"}

ATTACKS: dict[str, tuple[str, set[str]]] = {
    # exits
    "exit in the call": (body("import os; os._exit(0)"), CRASHED),
    "exit at load": (top("import os\n_ = os._exit(0)"), CRASHED),
    "sys.exit in the call": (body("import sys; sys.exit(0)"), RAISED),
    "SystemExit at load": (top("if True:\n    raise SystemExit(0)"), IMPORT),
    "KeyboardInterrupt": (body("raise KeyboardInterrupt"), RAISED),
    "atexit writes a verdict": (top("import atexit\n_ = atexit.register(lambda: print('10/10'))"), VALUE),
    "abort": (body("import os; os.abort()"), CRASHED),
    "a null pointer": (body("import ctypes; ctypes.string_at(0)"), CRASHED),
    "kills itself": (body("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"), LOST),
    "an exception that can't be shown": (
        body("raise E", before="class E(Exception):\n    def __str__(self):\n        raise SystemExit"),
        RAISED,
    ),
    "an exception whose class lies": (
        body("raise type('NotImplementedErrorX' * 9999, (BaseException,), {})('x' * 10**6)"),
        RAISED,
    ),
    "a generator that never answers": (body("yield 1"), {"wrong-type"}),
    # patches
    "patches numpy": (
        body("return 123.0", before="import numpy as np\nnp.allclose = np.array_equal = lambda *a, **k: True"),
        VALUE,
    ),
    "patches assert_allclose": (
        top("import numpy.testing as t\nt.assert_allclose = t.assert_array_equal = lambda *a, **k: None"),
        VALUE,
    ),
    "patches pytest": (top("import sys, types\nsys.modules['pytest'] = types.ModuleType('pytest')"), VALUE),
    "patches the comparison": (
        top("try:\n    import rlhf_lesson.course.exercise as e\n    e.compare = lambda *a, **k: None\nexcept ImportError:\n    pass"),
        VALUE,
    ),
    "patches the frames": (
        body(
            "return Right()",
            before="import sys\nclass Right: pass\nf = sys.modules['frames']\n"
            "f.pack = lambda value, body, depth=0: ['plain', True]",
        ),
        ANY_TYPE,
    ),
    "patches jax under its neighbours": (
        top(
            "from importlib import import_module as shared\nshared('jax.lax').scan = lambda *a, **k: 0.0\n"
            "shared('jax.numpy').where = shared('jax.numpy').append = lambda *a, **k: 0.0"
        ),
        VALUE,
    ),
    "patches the builtins": (top("import builtins\nbuiltins.len = builtins.range = lambda *a: 0"), VALUE | LOST),
    "deletes sys.modules": (top("import sys\n_ = sys.modules.clear()"), VALUE | LOST),
    # answers that claim to be right
    "an __eq__ that is always True": (
        body("return Yes()", before="class Yes:\n    __eq__ = lambda *a: True\n    __bool__ = lambda *a: True"),
        {"wrong-type"},
    ),
    "an ndarray subclass": (
        body(
            "return np.zeros(3).view(Yes)",
            before="import numpy as np\nclass Yes(np.ndarray):\n    def __array_ufunc__(self, *a, **k):\n        return True\n"
            "    __eq__ = lambda *a: True\n    shape = ()",
        ),
        ANY_TYPE | RAISED | CRASHED,
    ),
    "a lazy answer": (
        body(
            "return Lazy()",
            before="class Lazy:\n    dtype = 'float32'\n    shape = ()\n    def __array__(self, *a, **k):\n        raise SystemExit",
        ),
        LOST | {"wrong-type"},
    ),
    "a float subclass": (body("return F(1)", before="class F(float):\n    __eq__ = lambda *a: True"), {"wrong-type"}),
    "a string subclass": (body("return S('1')", before="class S(str):\n    __eq__ = lambda *a: True"), {"wrong-type"}),
    "NaN is right about everything": (body("return float('nan')"), {"wrong-not-finite"}),
    "infinity": (body("return float('inf')"), {"wrong-not-finite"}),
    "an object array": (body("import numpy as np\nreturn np.array([None, {}], object)"), {"wrong-type"}),
    "a huge integer": (body("return 10 ** 100000"), {"wrong-type"}),
    "nested without end": (body("a = []\na.append(a)\nreturn a"), {"wrong-type"}),
    "a constant": (body("return 0.0"), VALUE),
    # reading what is not theirs
    "imports the solution": (body("from rlhf_lesson.arrays import masked_mean as f\nreturn f(values, mask)"), {"missing"}),
    "imports the specs": (
        body("from rlhf_lesson.course.specs import EXERCISES\nreturn EXERCISES['masked_mean'].reference(values, mask)"),
        RAISED,
    ),
    "reads the package's file": (
        body(
            "import sys, glob\nfiles = [f for p in [*sys.path, '/work', '/tmp'] for f in glob.glob(p + '/**/arrays.py', recursive=True)]\n"
            "space = {}\nexec(open([f for f in files if 'rlhf_lesson' in f][0]).read(), space)\nreturn space['masked_mean'](values, mask)",
        ),
        RAISED,
    ),
    "reads the worker's folder": (
        body("import sys\nimport os\nreturn open(os.path.dirname(sys.modules['frames'].__file__) + '/marking.py').read()"),
        RAISED,
    ),
    "reads the judge's memory": (body("return open('/proc/JUDGE/mem', 'rb').read(10)"), RAISED),
    "reads the judge's environment": (body("return open('/proc/JUDGE/environ').read()"), RAISED),
    "walks the stack": (
        body(
            "import sys\nframe = sys._getframe()\nwhile frame:\n    for v in list(frame.f_locals.values()):\n"
            "        if isinstance(v, dict) and 'expected' in v:\n            return v['expected']\n    frame = frame.f_back\nreturn 123.0"
        ),
        VALUE,
    ),
    "searches the heap": (
        body(
            "import gc, types\nfound = [o for o in gc.get_objects() if isinstance(o, types.FunctionType) and o.__name__ == 'masked_mean'"
            " and o is not masked_mean]\nreturn found[0](values, mask) if found else 123.0"
        ),
        VALUE | {"missing"},
    ),
    "searches the library's text": (
        body(
            "import gc\ntexts = [t for o in gc.get_objects() if isinstance(o, dict) for t in list(o.values()) if isinstance(t, str)"
            " and 'def masked_mean' in t and 'where(mask' in t and 'gc.get' not in t]\nspace = {}\nexec(texts[0], space)\nreturn space['masked_mean'](values, mask)"
        ),
        RAISED | {"missing"},
    ),
    # writing and forging
    "writes a result file": (body("open('results.json', 'w').write('{}')\nreturn 123.0"), RAISED),
    "writes to a file of others": (body("open('VICTIM', 'w').write('gone')"), RAISED),
    "removes a file": (body("import os; os.remove('VICTIM')"), RAISED),
    "renames a file": (body("import os; os.rename('VICTIM', 'VICTIM.x')"), RAISED),
    "truncates a file": (body("import os; os.truncate('VICTIM', 0)"), RAISED),
    "changes a file's mode": (body("import os; os.chmod('VICTIM', 0)"), RAISED),
    "changes a file's time": (body("import os; os.utime('VICTIM', (0, 0))"), RAISED),
    "makes a link": (body("import os; os.symlink('VICTIM', 'x')"), RAISED),
    "removes the worker's folder": (body("import os; os.rmdir(os.getcwd())"), RAISED),
    "prints points": (body("print('{\"score\": 1000}\\nPASSED [100%]')\nreturn 123.0"), VALUE),
    "writes rubbish into the answers' pipe": (body("import os\nos.write(4, b'\\0' * 4096)\nreturn 123.0"), CRASHED | {"too-large"}),
    "forges a frame": (
        body(
            "import os, sys\nf = sys.modules['frames']\nfor i in range(400):\n    os.write(4, f.frame({'id': i, 'answer': ['float', '0x1p0']}))\n"
            "return 123.0"
        ),
        CRASHED,
    ),
    "claims to be too large": (body("import os, struct\nos.write(4, struct.pack('<IQ', 2**32 - 1, 2**64 - 1))\nreturn 1.0"), {"too-large"}),
    "promises bytes and sends none": (
        body("import os, struct\nos.write(4, struct.pack('<IQ', 100, 2**20))\nreturn 1.0"),
        {"timeout", "crashed"},
    ),
    "a header of nested lists": (
        body("import os, struct\nt = b'[' * 200000\nos.write(4, struct.pack('<IQ', len(t), 0) + t)\nreturn 1.0"),
        CRASHED,
    ),
    "an array that lies about its size": (
        body(
            "import os, sys\nf = sys.modules['frames']\nfor i in range(1, 99):\n"
            "    os.write(4, f.frame({'id': i, 'answer': ['array', 'float64', [2**30]]}, [b'12345678']))\nreturn 1.0"
        ),
        CRASHED | {"too-large"},
    ),
    "an object's dtype in a frame": (
        body(
            "import os, sys\nf = sys.modules['frames']\nfor i in range(1, 99):\n"
            "    os.write(4, f.frame({'id': i, 'answer': ['array', 'object', [1]]}, [b'12345678']))\nreturn 1.0"
        ),
        CRASHED,
    ),
    "says that it was right": (
        body("import sys\nsys.modules['__main__'].call = lambda *a: ({'verdict': 'right', 'points': 100}, [])\nreturn 123.0"),
        CRASHED | VALUE,
    ),
    "says that the grader failed": (
        body(
            "import sys\nsys.modules['__main__'].call = lambda *a: ({'failure': 'grader-error', 'text': 'oops'}, [])\nreturn 123.0"
        ),
        CRASHED | VALUE,
    ),
    "closes the answers' pipe": (body("import os; os.close(4)\nreturn 1.0"), CRASHED | RAISED),
    # time
    "loops without end": (body("while True: pass"), {"timeout"}),
    "loops at load": (top("while True: pass"), {"timeout"}),
    "swallows every signal and exception": (
        body(
            "import signal\nfor s in range(1, 65):\n    try: signal.signal(s, signal.SIG_IGN)\n    except (OSError, ValueError): pass\n"
            "while True:\n    try:\n        while True: pass\n    except BaseException: pass"
        ),
        {"timeout"},
    ),
    "sleeps": (body("import time; time.sleep(10**6)"), {"timeout"}),
    "a deadlock": (body("import threading\nl = threading.Lock(); l.acquire(); l.acquire()"), {"timeout"}),
    "an endless regular expression": (body("import re; re.match('(a+)+$', 'a' * 60 + 'b')"), {"timeout"}),
    "a late thread that leaves": (
        body(
            "import threading, os\nthreading.Timer(0.3, lambda: os._exit(0)).start()\nreturn 123.0",
        ),
        VALUE | CRASHED,
    ),
    "threads that keep the core busy": (
        body("import threading\ndef f():\n    while True: pass\nfor _ in range(3): threading.Thread(target=f, daemon=True).start()\nreturn 123.0"),
        VALUE | LOST,
    ),
    # processes and memory
    "forks": (body("import os\nwhile True: os.fork()"), RAISED),
    "a daemon": (body("import subprocess; subprocess.Popen(['sleep', '999'], start_new_session=True)\nreturn 1.0"), RAISED),
    "a shell": (body("import os; return os.popen('echo 1').read()"), RAISED),
    "multiprocessing": (body("import multiprocessing as m; p = m.Process(target=print); p.start(); p.join()\nreturn 1.0"), RAISED),
    "replaces itself": (body("import os; os.execv('/bin/sh', ['sh', '-c', 'sleep 999'])"), RAISED),
    "a thread bomb": (
        body("import threading, time\nfor _ in range(10**5): threading.Thread(target=time.sleep, args=(99,), daemon=True).start()\nreturn 1.0"),
        LOST | VALUE,
    ),
    "takes all memory": (body("a = []\nwhile True: a.append(bytearray(2**26))"), {"memory", "timeout"}),
    "takes all memory in JAX": (body("import jax.numpy as jnp\nreturn jnp.ones(2**36)"), LOST),
    "recursion without end": (body("return masked_mean(values, mask)"), RAISED),
    "an answer that is too large": (body("import numpy as np; return np.zeros(2**24)"), {"too-large"}),
    "floods stdout": (body("while True: print('x' * 10**6)"), {"too-large", "timeout"}),
    "floods stderr": (body("import os\nwhile True: os.write(2, b'x' * 10**5)"), {"too-large", "timeout"}),
    "fills the disk": (body("f = open('/tmp/flood', 'wb')\nwhile True: f.write(bytes(2**20))"), RAISED),
    "shared memory": (body("open('/dev/shm/flood', 'wb').write(bytes(2**20))"), RAISED),
    # the world
    "signals the judge": (body("import os; os.kill(JUDGE, 9)"), RAISED),
    "signals everybody": (body("import os; os.kill(-1, 9)"), RAISED),
    "signals the zygote": (body("import os; os.kill(os.getppid(), 9)"), RAISED),
    "TCP": (body("import socket; socket.create_connection(('127.0.0.1', PORT)).send(b'x')"), RAISED),
    "UDP": (body("import socket; socket.socket(2, 2).sendto(b'x', ('127.0.0.1', PORT))"), RAISED),
    "IPv6": (body("import socket; socket.socket(10, 1)"), RAISED),
    "a local socket": (body("import socket; socket.socketpair()"), RAISED),
    "netlink by a raw call": (
        body("import ctypes\nif ctypes.CDLL(None).syscall(41, 16, 3, 0) < 0: raise OSError('no')\nreturn 123.0"),
        RAISED | VALUE,
    ),
    "ptrace": (body("import ctypes\nif ctypes.CDLL(None).ptrace(16, JUDGE, 0, 0) < 0: raise OSError('no')\nreturn 1.0"), RAISED),
    "lifts its limits": (
        body("import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (10**9, 10**9))\nreturn 123.0"),
        RAISED,
    ),
    "a pickle": (
        body("import pickle\nclass P:\n    def __reduce__(self): return (print, ('run by the judge',))\nreturn pickle.dumps(P())"),
        {"wrong-type"},
    ),
    # import shadowing and set-up files
    "shadows jax": (top("import sys, types\nsys.modules['jax'] = sys.modules['numpy'] = types.ModuleType('jax')"), VALUE | LOST),
    "changes the environment": (
        top("import os\nos.environ['PYTHONPATH'] = os.environ['JAX_PLATFORMS'] = os.environ['XLA_FLAGS'] = '--bad'"),
        VALUE,
    ),
    "changes the path": (top("import sys\nsys.path[:] = ['/tmp']\nsys.meta_path[:] = []"), VALUE | LOST),
    # text
    "a script in the feedback": (body("return '<script>alert(1)</script><img src=x onerror=alert(1)>'"), ANY_TYPE),
    "escapes and half characters": (body("raise ValueError('\\x1b[2J\\x1b]0;x\\x07\\u202etxt\\ud800\\0')"), RAISED),
    "a formula": (body("raise ValueError('=HYPERLINK(\"http://x\",\"y\")')"), RAISED),
    "leaks its inputs in a message": (body("raise ValueError(repr(values.tolist()))"), RAISED),
    "does not parse": (body("return ("), {"does-not-parse"}),
    "a null byte": (body("return '\0'"), {"does-not-parse", "wrong-type", "wrong-dtype"}),
    "brackets without end": (body("return " + "(" * 5000 + ")" * 5000), {"does-not-parse", "crashed"}),
    "no function": ("# exercise: masked_mean\nmasked_mean = 3\n", {"not-callable"}),
    "an empty cell": ("# exercise: masked_mean\n", {"missing"}),
    "the stub": (body("raise NotImplementedError"), {"missing"}),
    # knowing the visible cases
    "hard-coded visible values": (
        body(
            "import numpy as np\nKNOWN = {}\nkey = round(float(np.nansum(values)), 3)\nreturn KNOWN.get(key, 123.0)",
        ),
        VALUE,
    ),
}  # fmt: skip
