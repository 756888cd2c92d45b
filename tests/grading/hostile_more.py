"""More submissions that try to get points or to do harm, of the kinds that hostile.py has not: by chance, by mode, by size, by noise.

Written as families: one attack in many words. VICTIM, PORT and JUDGE are put in by the tests.
"""

# ruff: noqa: E501
from grading.hostile import ANY_TYPE, CRASHED, LOST, RAISED, VALUE, body, top

RIGHT = "import random, time\ndef right(v, m): return jnp.sum(jnp.where(m, v, 0.0)) / jnp.maximum(jnp.sum(m), 1)\ncalls = [0]\nshapes = set()\n"
NOW_AND_THEN = {"wrong-value", "unsteady", "untraceable"}


def chance(condition: str, *, first: str = "") -> tuple[str, set[str]]:
    """Right if this holds, 123.0 if not."""
    return body(
        f"{first}\nreturn right(values, mask) if {condition} else 123.0".strip("\n"), before=RIGHT
    ), NOW_AND_THEN


def forged(node: str, raw: str = "b''") -> tuple[str, set[str]]:
    """A frame with this answer, under the number of the request that is being answered."""
    text = f"""
import os, sys
f, i = sys.modules['frames'], sys._getframe()
while 'request' not in i.f_locals: i = i.f_back
os.write(4, f.frame({{'id': i.f_locals['request']['id'], 'answer': {node}}}, [{raw}]))
__import__('time').sleep(99)
"""
    return body(text), CRASHED | ANY_TYPE | {"too-large", "timeout", "wrong-not-finite"}


COUNTED = "calls[0] += 1"
BY_CHANCE = {
    "right only when traced": chance("isinstance(values, jax.core.Tracer)"),
    "right only when not traced": chance("not isinstance(values, jax.core.Tracer)"),
    "right only if the mask is traced": chance("isinstance(mask, jax.core.Tracer)"),
    "right only outside every trace": chance("type(values).__name__ == 'ArrayImpl'"),
    "right only where numbers can be read": chance("ok", first="try: float(values.ravel()[0]); ok = True\nexcept Exception: ok = False"),
    "right only where numbers can't be read": chance("not ok", first="try: float(values.ravel()[0]); ok = True\nexcept Exception: ok = False"),
    "right at the first call of a shape": chance("new", first="key = (values.shape, str(type(values))); new = key not in shapes; shapes.add(key)"),
    "right for one call": chance("calls[0] <= 1", first=COUNTED),
    "right for four calls": chance("calls[0] <= 4", first=COUNTED),
    "right for eight calls": chance("calls[0] <= 8", first=COUNTED),
    "right after four calls": chance("calls[0] > 4", first=COUNTED),
    "right every other call": chance("calls[0] % 2", first=COUNTED),
    "a coin at each call": chance("random.random() < 0.5"),
    "a good coin at each call": chance("random.random() < 0.7"),
    "a coin of NumPy's": chance("np.random.rand() < 0.5"),
    "by the clock": chance("time.monotonic_ns() // 1000 % 2"),
    "by an address": chance("id(object()) // 16 % 3 and random.getrandbits(1)"),
    "a coin for each shape": chance("table.setdefault(values.shape, []).append(random.random()) or table[values.shape][-1] < 0.5", first="table = globals().setdefault('table', {})"),
    "complex numbers": (body("return right(values, mask) + 0j", before=RIGHT), {"wrong-dtype"}),
    "complex numbers of NumPy": (body("return np.complex64(1) * right(values, mask)", before=RIGHT), {"wrong-dtype"}),
    "a complex of Python": (body("return complex(float(right(values, mask)))", before=RIGHT), {"wrong-type", "wrong-dtype"}),
}  # fmt: skip
IDLE = {
    f"no thought: {text}": (body(f"return {text}"), ANY_TYPE | RAISED | {"wrong-not-finite", "missing"})
    for text in (
        "values", "mask", "values.ravel()[0]", "values.ravel()[-1]", "jnp.where(mask, values, 0.0)", "jnp.zeros_like(values)", "0.0",
        "1.0", "jnp.zeros(())", "values * 0.0", "jnp.where(mask, values, 0.0).ravel()[0]", "[values]", "(values, mask)", "None", "''",
        "jnp.nan", "mask.any() * 1.0", "values.shape", "{}", "True",
    )
}  # fmt: skip
TAKEN = {
    f"takes the answer: {text}": (body(text), {"missing", "import-failed"} | RAISED | VALUE | ANY_TYPE)
    for text in (
        "import rlhf_lesson.arrays as a; return a.masked_mean(values, mask)",
        "from rlhf_lesson.losses import masked_mean as f; return f(values, mask)",
        "from rlhf_lesson.arrays import *; return masked_whiten(values, mask)",
        "import importlib, rlhf_lesson.arrays as a; return importlib.reload(a).masked_mean(values, mask)",
        "import sys; t = [t for f in sys.meta_path for t in getattr(f, 'texts', {}).values() if 'jnp.where(mask, values' in t]; return t[0]",
        "import inspect, rlhf_lesson.arrays as a; return eval(inspect.getsource(a.masked_mean))",
        "from rlhf_lesson.grading.trusted import Trusted; return Trusted()",
        "from rlhf_lesson.course.checks import solution; return solution('masked_mean')",
        "import runpy; return runpy.run_module('rlhf_lesson.arrays')['masked_mean'](values, mask)",
        "import pkgutil; return pkgutil.get_data('rlhf_lesson', 'arrays.py')",
    )
}  # fmt: skip
NODES = {
    f"forges {text}": forged(node, raw)
    for text, node, raw in (
        ("strings, one of them long", "['strings', [3501], [''] * 3500 + ['x' * 200000]]", "b''"),
        ("strings in the old form", "['strings', [''] * 3500 + ['x' * 200000]]", "b''"),
        ("strings that are lists", "['strings', [2], [['a'], 'b']]", "b''"),
        ("strings of no room", "['strings', [10**9, 0], []]", "b''"),
        ("strings of many rows", "['strings', [1] * 40, ['a']]", "b''"),
        ("many empty lists", "['list', [['list', []]] * 12000]", "b''"),
        ("many floats", "['list', [['float', '0x1p0']] * 9999]", "b''"),
        ("many arrays of nothing", "['list', [['array', 'float32', [0]]] * 6000]", "b''"),
        ("a row of rows", "['row', 'list', ['row', 'list', ['array', 'int64', [1]]]]", "bytes(8)"),
        ("a row of complex numbers", "['row', 'list', ['array', 'complex64', [1]]]", "bytes(8)"),
        ("a square row", "['row', 'list', ['array', 'int64', [1, 1]]]", "bytes(8)"),
        ("a row of a million", "['row', 'tuple', ['array', 'bool', [2**20]]]", "bytes(2**20)"),
        ("a shape of eight dimensions", "['array', 'bool', [4] * 8]", "bytes(4**8)"),
        ("a shape beyond the bytes", "['array', 'float64', [2**60]]", "bytes(8)"),
        ("a shape of truth values", "['array', 'float64', [True]]", "bytes(8)"),
        ("a shape of floats", "['array', 'float64', [1.0]]", "bytes(8)"),
        ("a shape of nothing by much", "['array', 'float64', [0, 2**20]]", "b''"),
        ("bytes left over", "['float', '0x1p0']", "bytes(2**20)"),
        ("a dict of many names", "['dict', [[str(i), ['plain', None]] for i in range(9000)]]", "b''"),
        ("a dict of one name", "['dict', [['a', ['plain', None]]] * 9000]", "b''"),
        ("a key that is a string", "['key', 'rbg', ['plain', 'x']]", "b''"),
        ("a module of the judge", "['library', 'os', 'system']", "b''"),
        ("a long text", "['plain', 'x' * 250000]", "b''"),
        ("half characters", "['plain', '\\ud800' * 9999]", "b''"),
        ("a float beyond all", "['float', '0x1p99999']", "b''"),
        ("an integer of underscores", "['int', '1_' * 30]", "b''"),
        ("nothing at all", "None", "b''"),
        ("bfloat16", "['array', 'bfloat16', [1]]", "bytes(2)"),
        ("records", "['array', 'V8', [1]]", "bytes(8)"),
        ("dates", "['array', 'datetime64[s]', [1]]", "bytes(8)"),
    )
}  # fmt: skip
BIG = {
    "strings with the room of the longest": (body("return np.array(['x' * 300000] + [''] * 300)"), {"too-large"}),
    "many strings": (body("return np.array(['x'] * 10**5)"), {"too-large"}),
    "16 million pairs": (body("return [[i, i] for i in range(20000)]"), {"too-large"}),
    "a table of 16 million pairs": (body("return np.zeros((2**24, 2), np.int8)"), {"too-large"}),
    "many small lists": (body("return [[]] * 10**6"), {"too-large"}),
    "many small arrays": (body("return [jnp.zeros(0)] * 50000"), {"too-large"}),
    "many truth values": (body("return [True] * 2**21"), {"too-large"}),
    "an array of eight dimensions": (body("return np.zeros((4,) * 8)"), ANY_TYPE),
    "an iterator without end": (body("import itertools; return itertools.count()"), {"too-large", "memory"}),
    "a generator without end": (body("while True: yield []"), {"too-large", "memory"}),
    "a generator that waits": (body("import time; time.sleep(999); yield 1"), {"timeout"}),
    "a generator that raises": (body("yield 1; raise SystemExit"), RAISED),
    "a set of many": (body("return set(range(10**6))"), {"too-large"}),
    "a range beyond all": (body("return range(10**18)"), {"too-large", "memory"}),
    "a long text": (body("return 'x' * 2**24"), {"too-large"}),
    "a dict of long names": (body("return {'x' * 10**6: 1.0}"), {"too-large"}),
    "a list that grows as it is read": (body("return L([1, 2])", before="class L(list):\n    def __iter__(self):\n        while True: yield self"), LOST | ANY_TYPE),
}  # fmt: skip
NOISE = {
    "busy threads of its own": (body("import threading, hashlib\nb = bytes(1 << 26)\ndef f():\n    while True: hashlib.sha256(b).digest()\nfor _ in range(60): threading.Thread(target=f, daemon=True).start()\nf()"), {"timeout"}),
    "busy threads at load": (top("import threading, hashlib\nb = bytes(1 << 24)\ndef f():\n    while True: hashlib.sha256(b).digest()\nfor _ in range(8):\n    t = threading.Thread(target=f, daemon=True).start()\nwhile True: pass"), {"timeout"}),
    "threads come and go": (body("import threading, hashlib\nb = bytes(1 << 22)\nwhile True:\n    t = [threading.Thread(target=lambda: hashlib.sha256(b).digest()) for _ in range(9)]\n    for x in t: x.start()\n    for x in t: x.join()"), {"timeout"}),
    "floods the answers before the next request": (body("import os, threading\ndef f():\n    while True: os.write(4, bytes(60000))\nthreading.Thread(target=f, daemon=True).start()\nreturn 123.0"), CRASHED | {"too-large"} | VALUE),
    "floods the answers at load": (top("import os, threading\ndef f():\n    while True: os.write(4, bytes(60000))\nt = threading.Thread(target=f, daemon=True).start()"), CRASHED | {"too-large"}),
    "answers byte by byte": (body("import os, time\nos.write(4, b'\\x05\\0\\0\\0' + bytes(8))\nwhile True: os.write(4, b'{'); time.sleep(0.5)"), CRASHED | {"timeout"}),
    "half an answer": (body("import os, struct, time\nos.write(4, struct.pack('<IQ', 2, 2**20) + b'{}' + bytes(999)); time.sleep(999)"), {"timeout"}),
    "answers twice": (body("import os, sys\nf, i = sys.modules['frames'], sys._getframe()\nwhile 'request' not in i.f_locals: i = i.f_back\nfor _ in 'ab': os.write(4, f.frame({'id': i.f_locals['request']['id'], 'answer': ['float', '0x1p0']}))\nreturn 123.0"), CRASHED | VALUE),
    "reads the judge's requests": (body("import os\nos.read(3, 10**6)\nreturn 123.0"), {"timeout"} | CRASHED),
    "closes the requests": (body("import os; os.close(3)\nreturn 123.0"), CRASHED | RAISED | VALUE),
    "closes everything": (body("import os; os.closerange(0, 99)\nreturn 123.0"), CRASHED | RAISED),
    "a timer that interrupts": (body("import signal, os\nsignal.signal(signal.SIGALRM, lambda *a: os._exit(0)); signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)\nreturn 123.0"), CRASHED | VALUE),
    "stdout in small pieces": (body("import os\nwhile True: os.write(1, b'x')"), {"timeout", "too-large"}),
    "a frame as text": (body("print('\\x02\\0\\0\\0' + '\\0' * 8 + '{}', flush=True)\nreturn 123.0"), VALUE),
}  # fmt: skip
ENDS = {
    f"ends itself by signal {n}": (body(f"import os; os.kill(os.getpid(), {n})\nreturn 123.0"), LOST | VALUE)
    for n in (1, 2, 3, 4, 6, 7, 8, 11, 13, 14, 15, 19, 20, 24, 25, 31, 34)
} | {
    f"leaves with status {n} at load": (top(f"import os\nif True: os._exit({n})"), CRASHED) for n in (0, 1, 70, 255)
}  # fmt: skip
READ = {
    f"reads {path}": (body(f"return len(open('{path}', 'rb').read(9))"), RAISED)
    for path in (
        "/etc/passwd", "/etc/shadow", "/etc/hostname", "/proc/1/environ", "/proc/self/environ", "/proc/self/mem", "/proc/JUDGE/cmdline",
        "/proc/JUDGE/maps", "/proc/JUDGE/fd/0", "/dev/mem", "/dev/tty", "/dev/shm/x", "/var/log/wtmp", "/tmp/course.key", "course.key", "VICTIM",
        "../zygote.log", "/sys/kernel/notes", "/run/secrets", "/root" "/.bashrc",
    )
}  # fmt: skip
CALLS = {
    f"system call {name}": (body(f"import ctypes\nif ctypes.CDLL(None, use_errno=True).syscall({n}, 0, 0, 0, 0, 0) == -1: raise OSError\nreturn 123.0"), RAISED | VALUE)
    for name, n in {
        "clone": 56, "fork": 57, "vfork": 58, "execve": 59, "kill": 62, "ptrace": 101, "mount": 165, "unshare": 272, "setns": 308, "bpf": 321,
        "memfd_create": 319, "userfaultfd": 323, "io_uring_setup": 425, "pidfd_open": 434, "keyctl": 250, "process_vm_writev": 311,
        "personality": 135, "setpriority": 141, "sched_setscheduler": 144, "sched_setaffinity": 203, "add_key": 248, "perf_event_open": 298,
        "open_by_handle_at": 304, "clone3": 435, "landlock_create_ruleset": 444, "chroot": 161, "reboot": 169, "sethostname": 170,
    }.items()
}  # fmt: skip
MORE = {**BY_CHANCE, **IDLE, **TAKEN, **NODES, **BIG, **NOISE, **ENDS, **READ, **CALLS}
SAMPLE = [  # one of each family for `make test`
    "right only when traced", "right only when not traced", "right for four calls", "complex numbers", "no thought: values",
    "forges strings, one of them long", "many small lists", "busy threads of its own", "floods the answers before the next request",
    "system call setpriority",
]  # fmt: skip
LATER = [name for name in MORE if name not in SAMPLE]
