"""What the standard library and NumPy let a function read: live views, bound methods, registries, contexts."""

from __future__ import annotations

from tests.semantics.case import case
from tests.semantics.programs import expressions

# setup; what f reads; a statement that changes it.
_READS = {
    "bound get of a dict": ("d = {'a': 2.0}\nget = d.get", "x * get('a')", "d['a'] = 5.0"),
    "bound getitem of a list": ("l = [2.0]\nget = l.__getitem__", "x * get(0)", "l[0] = 5.0"),
    "dict view": ("d = {'a': 2.0}\nview = d.values()", "x * sum(view)", "d['b'] = 5.0"),
    "keys view": ("d = {'a': 2.0}\nview = d.keys()", "x * len(''.join(view))", "d['bbb'] = 5.0"),
    "map object": ("m = map(float, range(1, 99))", "x * next(m)", "next(m)"),
    "zip object": ("z = zip(range(1, 99), range(5, 99))", "x * sum(next(z))", "next(z)"),
    "reversed iterator": ("r = reversed([5.0, 4.0, 3.0, 2.0, 1.0, 0.5])", "x * next(r)", "next(r)"),
    "callable iterator": ("l = [5.0, 4.0, 3.0, 2.0, 1.0]\ni = iter(l.pop, None)", "x * next(i)", "next(i)"),
    "islice": ("i = itertools.islice(itertools.count(1), 50)", "x * next(i)", "next(i)"),
    "UserDict": ("d = collections.UserDict(a=2.0)", "x * d['a']", "d['a'] = 5.0"),
    "UserList": ("l = collections.UserList([2.0])", "x * l[0]", "l.append(1.0)\nl[0] = 5.0"),
    "OrderedDict order": (
        "d = collections.OrderedDict(a=2.0, b=3.0)",
        "x * next(iter(d.values()))",
        "d.move_to_end('a')",
    ),
    "bytearray": ("b = bytearray(b'ab')", "x * b[0]", "b[0] = 3"),
    "memoryview": ("b = bytearray(b'ab')\nm = memoryview(b)", "x * m[0]", "b[0] = 3"),
    "array": ("a = __import__('array').array('d', [2.0])", "x * a[0]", "a[0] = 5.0"),
    "ctypes": ("a = (__import__('ctypes').c_double * 2)(2.0, 3.0)", "x * a[0]", "a[0] = 5.0"),
    "StringIO": ("s = __import__('io').StringIO('12')", "x * len(s.getvalue())", "s.write('12345')"),
    "NumPy view of an array": ("a = np.ones(4)\nv = a[1:]", "x * float(v.sum())", "a[2] = 5.0"),
    "NumPy 0-d array": ("a = np.array(2.0)", "x * float(a)", "a[...] = 5.0"),
    "NumPy structured array": ("a = np.zeros(2, [('k', 'f8')])", "x * float(a['k'].sum())", "a[0] = (5.0,)"),
    "NumPy array of objects": ("a = np.array([None, None])\na[0] = [2.0]", "x * a[0][0]", "a[0][0] = 5.0"),
    "NumPy item": ("a = np.arange(4.0)", "x * a[2].item()", "a[2] = 7.0"),
    "NumPy matrix row": ("a = np.ones((3, 3))", "x * sum(a[1])", "a[1, 1] = 7.0"),
    "NumPy boolean mask": ("a = np.ones(3)\nm = a > 2.0", "x * float(a[m].size)", "m[0] = True"),
    "NumPy print options": (
        "np.set_printoptions(precision=8)",
        "x * len(str(np.float64(1) / 3 * np.ones(1)))",
        "np.set_printoptions(precision=3)",
    ),
    "NumPy error state": (
        "np.seterr(divide='warn')",
        "x * len(np.geterr()['divide'])",
        "np.seterr(divide='ignore')",
    ),
    "decimal context": (
        "import decimal\ndecimal.getcontext().prec = 28",
        "x * float(decimal.Decimal(1) / 3)",
        "decimal.getcontext().prec = 2",
    ),
    "weak proxy": (
        "class C:\n    k = 2.0\nc = C()\nw = __import__('weakref').proxy(c)",
        "x * w.k",
        "c.k = 5.0",
    ),
    "weak dictionary": (
        "class C:\n    pass\nc = [C()]\nd = __import__('weakref').WeakSet(c)",
        "x * len(d)",
        "c.clear()",
    ),
    "statistics": ("l = [1.0, 3.0]", "x * __import__('statistics').mean(l)", "l.append(8.0)"),
    "deepcopy of an object": (
        "c = types.SimpleNamespace(k=[2.0])",
        "x * __import__('copy').deepcopy(c).k[0]",
        "c.k[0] = 5.0",
    ),
    "asdict": (
        "c = dataclasses.make_dataclass('C', ['k'])(2.0)",
        "x * dataclasses.asdict(c)['k']",
        "c.k = 5.0",
    ),
    "replace of a dataclass": (
        "c = dataclasses.make_dataclass('C', ['k', 'm'])(2.0, 1)",
        "x * dataclasses.replace(c, m=2).k",
        "c.k = 5.0",
    ),
    "string template": (
        "k = ['2']",
        "x * float(__import__('string').Template('$k').substitute(k=k[0]))",
        "k[0] = '5'",
    ),
    "text wrapped": ("k = ['a b']", "x * len(__import__('textwrap').wrap(k[0], 1))", "k[0] = 'a b c'"),
    "configparser": (
        "import configparser\nc = configparser.ConfigParser()\nc.read_dict({'a': {'k': '2'}})",
        "x * c.getfloat('a', 'k')",
        "c['a']['k'] = '5'",
    ),
    "path": (
        "import pathlib, tempfile\np = pathlib.Path(tempfile.mkdtemp(), 'k')\np.write_text('2')",
        "x * float(p.read_text())",
        "p.write_text('5')",
    ),
    "directory listing": (
        "import tempfile\np = tempfile.mkdtemp()",
        "x * len(os.listdir(p))",
        "open(os.path.join(p, 'a'), 'w').close()",
    ),
    "virtual subclass": (
        "import abc\nclass A(abc.ABC):\n    pass",
        "x * (2.0 if isinstance(3, A) else 3.0)",
        "A.register(int)",
    ),
    "instance check": (
        "class M(type):\n    def __instancecheck__(cls, v):\n        return on[0]\n"
        "class A(metaclass=M):\n    pass\non = [False]",
        "x * (2.0 if isinstance(3, A) else 3.0)",
        "on[0] = True",
    ),
    "bases": (
        "class A:\n    k = 2.0\nclass B:\n    k = 5.0\nclass C(A):\n    pass",
        "x * C.k",
        "C.__bases__ = (B,)",
    ),
    "cell contents": (
        "def make(k):\n    return lambda: k\ng = make(2.0)",
        "x * g()",
        "g.__closure__[0].cell_contents = 5.0",
    ),
    "function's globals": (
        "g = types.FunctionType((lambda: k).__code__, {'k': 2.0})",
        "x * g()",
        "g.__globals__['k'] = 5.0",
    ),
    "class in a function": (
        "k = [2.0]\ndef make():\n    class C:\n        v = k[0]\n    return C",
        "x * make().v",
        "k[0] = 5.0",
    ),
    "partial method": (
        "class C:\n    def get(self, s):\n        return self.k * s\n"
        "    twice = functools.partialmethod(get, 2)\nc = C()\nc.k = 2.0",
        "x * c.twice()",
        "c.k = 5.0",
    ),
    "static and class methods": (
        "class C:\n    k = 2.0\n    @classmethod\n    def a(cls):\n        return cls.k\n"
        "    @staticmethod\n    def b():\n        return C.k",
        "x * C.a() * C.b()",
        "C.k = 5.0",
    ),
    "super in a property": (
        "class A:\n    @property\n    def v(self):\n        return self.k\nclass B(A):\n"
        "    @property\n    def v(self):\n        return super().v + 1.0\nc = B()\n"
        "c.k = 2.0",
        "x * c.v",
        "c.k = 5.0",
    ),
    "slot with a default": (
        "class C:\n    __slots__ = ('k',)\nc = C()",
        "x * getattr(c, 'k', 2.0)",
        "c.k = 5.0",
    ),
    "class_getitem": (
        "class C:\n    k = 2.0\n    def __class_getitem__(cls, n):\n        return cls.k * n",
        "x * C[3]",
        "C.k = 5.0",
    ),
    "enum lookup": (
        "class E(enum.Enum):\n    a = 2.0\n    b = 5.0\nn = ['a']",
        "x * E[n[0]].value",
        "n[0] = 'b'",
    ),
    "flag": (
        "class F(enum.Flag):\n    a = 1\n    b = 2\nn = [F.a]",
        "x * (2.0 if F.b in n[0] else 3.0)",
        "n[0] |= F.b",
    ),
    "logging level": (
        "log = __import__('logging').getLogger('semantics.level')\nlog.setLevel(10)",
        "x * (2.0 if log.isEnabledFor(20) else 3.0)",
        "log.setLevel(30)",
    ),
    "warnings filter": (
        "import warnings\nwarnings.resetwarnings()",
        "x * len(warnings.filters)",
        "warnings.filterwarnings('ignore', message='semantics')",
    ),
    "switch interval": (
        "import sys\nsys.setswitchinterval(0.005)",
        "x * sys.getswitchinterval()",
        "sys.setswitchinterval(0.25)",
    ),
    "threads alive": (
        "e = threading.Event()\nt = threading.Thread(target=e.wait)\nt.start()",
        "x * (2.0 if t.is_alive() else 3.0)",
        "e.set()\nt.join()",
    ),
    "event": ("e = threading.Event()", "x * (2.0 if e.is_set() else 3.0)", "e.set()"),
    "lock": ("e = threading.Lock()", "x * (2.0 if e.locked() else 3.0)", "e.acquire()"),
    "queue": ("q = __import__('queue').Queue()", "x * (2.0 if q.empty() else 3.0)", "q.put(1)"),
    "future": (
        "import concurrent.futures\nu = concurrent.futures.Future()",
        "x * (2.0 if u.done() else 3.0)",
        "u.set_result(1)",
    ),
    "user attribute of an optimizer": (
        "o = optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1)\no.tag = 2.0",
        "x * o.tag",
        "o.tag = 5.0",
    ),
    "object that gives a size": (
        "class N:\n    def __index__(self):\n        return k[0]\nk, n = [2], N()",
        "x * torch.ones(3)[: n.__index__()].sum()",
        "k[0] = 3",
    ),
    "list of tensors joined": (
        "l = [torch.ones(1)]",
        "torch.cat([x, *l]).sum() * x",
        "l.append(torch.ones(1))",
    ),
    "list given to the library": (
        "l = [torch.ones(1), torch.ones(1)]",
        "x * torch.cat(l).sum()",
        "l.append(torch.ones(1))",
    ),
    "list of numbers given to the library": ("l = [1.0, 2.0]", "x * torch.tensor(l).sum()", "l.append(3.0)"),
    "shape from a list": ("l = [1, 2]", "x * torch.ones(l).sum()", "l[0] = 3"),
    "axes from a list": (
        "l = [0]",
        "torch.ones(2, 3).sum(l[0]).sum() + torch.ones(2, 3).sum(l[0]).shape[0] * x",
        "l[0] = 1",
    ),
    "attribute put on a class of the library": (
        "nn.Linear.gain_ = 2.0\nn = nn.Linear(1, 1)",
        "x * n.gain_",
        "nn.Linear.gain_ = 5.0",
    ),
    "attribute put on a class of the library after a look": (
        "nn.Module.gain_of = 0.0\ndel nn.Module.gain_of\nn = nn.Linear(1, 1)",
        "x * getattr(n, 'gain_of', 2.0)",
        "nn.Module.gain_of = 5.0",
    ),
    "attribute read from a class of the library": (
        "nn.Linear.gain__ = [2.0]",
        "x * nn.Linear.gain__[0]",
        "nn.Linear.gain__[0] = 5.0",
    ),
    "method put on tensors": (
        "torch.Tensor.doubled_ = lambda self: self * 2.0",
        "(x + 1.0).doubled_()",
        "torch.Tensor.doubled_ = lambda self: self * 5.0",
    ),
    "attribute put on tensors": ("torch.Tensor.gain_ = 2.0", "x * x.gain_", "torch.Tensor.gain_ = 5.0"),
    "name put into the dict of a module of the library": (
        "vars(F)['mine_'] = lambda x: x * 2.0",
        "F.mine_(x)",
        "vars(F)['mine_'] = lambda x: x * 5.0",
    ),
    "name that a module of the library gets": (
        "vars(F).pop('gain_', None)",
        "x * getattr(F, 'gain_', 2.0)",
        "vars(F)['gain_'] = 5.0",
    ),
    "attribute swapped for another": (
        "class C:\n    k = 2.0\nc = C()\nc.junk = 1",
        "x * c.k",
        "del c.junk\nc.k = 5.0",
    ),
    "class attribute swapped for another": (
        "class B:\n    k = 2.0\nclass C(B):\n    junk = 1",
        "x * C.k",
        "del C.junk\nC.k = 5.0",
    ),
    "dict of an object replaced": (
        "class C:\n    pass\nc = C()\nc.k = 2.0",
        "x * c.k",
        "c.__dict__ = {'k': 5.0}",
    ),
    "attribute of a metaclass": (
        "class M(type):\n    k = 2.0\nclass C(metaclass=M):\n    pass",
        "x * C.k",
        "M.k = 5.0",
    ),
    "special method replaced": (
        "class C:\n    def __call__(self):\n        return 2.0\nc = C()",
        "x * c()",
        "C.__call__ = lambda self: 5.0",
    ),
    "special method added": (
        "class C:\n    pass\nc = C()",
        "x * (2.0 if c else 3.0)",
        "C.__len__ = lambda self: 0",
    ),
    "attribute of an enum member": (
        "class E(enum.Enum):\n    a = 1\nE.a.k = 2.0",
        "x * E.a.k",
        "E.a.k = 5.0",
    ),
    "list in an enum member": (
        "class E(enum.Enum):\n    a = [2.0]",
        "x * E.a.value[0]",
        "E.a.value[0] = 5.0",
    ),
    "attribute of a number": ("class K(int, enum.Enum):\n    a = 1\nK.a.k = 2.0", "x * K.a.k", "K.a.k = 5.0"),
    "attribute of a NumPy array": (
        "class A(np.ndarray):\n    pass\na = np.ones(2).view(A)\na.k = 2.0",
        "x * a.k",
        "a.k = 5.0",
    ),
    "list in an exception": ("e = ValueError([2.0])", "x * e.args[0][0]", "e.args[0][0] = 5.0"),
    "name of a function": ("def h():\n    pass", "x * len(h.__name__)", "h.__name__ = 'longer'"),
    "singledispatch": (
        "@functools.singledispatch\ndef g(v):\n    return 2.0",
        "x * g(1)",
        "g.register(int, lambda v: 5.0)",
    ),
    "cache cleared and filled again": (
        "k = [2.0]\n@functools.lru_cache\ndef g(n):\n    return k[0] * n",
        "x * g(1)",
        "k[0] = 5.0\ng.cache_clear()\ng(1)",
    ),
    "list in a cache": (
        "@functools.lru_cache\ndef g():\n    return [2.0]",
        "x * g()[0]",
        "g()[0] = 5.0",
    ),
    "module imported inside": (
        "another.k = 2.0\ndef g():\n    from tests.semantics import another as a\n    return a.k",
        "x * g()",
        "another.k = 5.0",
    ),
    "match of a class": (
        "@dataclasses.dataclass\nclass P:\n    a: float\n    b: float\np = P(2.0, 1.0)\n"
        "def g():\n    match p:\n        case P(a):\n            return a",
        "x * g()",
        "p.a = 5.0",
    ),
    "protocol": (
        "import typing\n@typing.runtime_checkable\nclass P(typing.Protocol):\n    def close(self): ...\n"
        "class C:\n    pass\nc = C()",
        "x * (2.0 if isinstance(c, P) else 3.0)",
        "C.close = lambda self: 1",
    ),
    "closed file": ("f_ = __import__('io').StringIO()", "x * (2.0 if f_.closed else 3.0)", "f_.close()"),
    "NumPy file": (
        "import tempfile\np = os.path.join(tempfile.mkdtemp(), 'a.npy')\nnp.save(p, np.array([2.0]))",
        "x * float(np.load(p)[0])",
        "np.save(p, np.array([5.0]))",
    ),
    "NumPy file of bytes": (
        "import tempfile\np = os.path.join(tempfile.mkdtemp(), 'a')\nnp.array([2.0]).tofile(p)",
        "x * float(np.fromfile(p)[0])",
        "np.array([5.0]).tofile(p)",
    ),
    "file of tensors": (
        "import tempfile\np = os.path.join(tempfile.mkdtemp(), 'a')\ntorch.save(torch.ones(1) * 2.0, p)",
        "x * torch.load(p)",
        "torch.save(torch.ones(1) * 5.0, p)",
    ),
    "C function given to map": (
        "import tempfile\np = os.path.join(tempfile.mkdtemp(), 'a')\nopen(p, 'w').close()",
        "x * (2.0 + sum(s.st_size for s in map(os.stat, [p])))",
        "np.ones(1).tofile(p)",
    ),
    "lines of a file": (
        "s = __import__('io').StringIO('1\\n2\\n3\\n4\\n5\\n6\\n')\n"
        "def g():\n    for line in s:\n        return float(line)",
        "x * g()",
        "s.readline()",
    ),
    "setting": (
        "torch.use_deterministic_algorithms(False)",
        "x * (2.0 if torch.are_deterministic_algorithms_enabled() else 3.0)",
        "torch.use_deterministic_algorithms(True)",
    ),
    "seed": ("torch.manual_seed(2)", "x * torch.initial_seed()", "torch.manual_seed(5)"),
    "method put into tensors": (
        "torch.Tensor.times = lambda self: self * 2.0",
        "x.times()",
        "torch.Tensor.times = lambda self: self * 5.0",
    ),
    "schedule of a lambda": (
        "k = [1.0]\no = optim.SGD([nn.Parameter(torch.ones(1))], lr=1.0)\n"
        "s = optim.lr_scheduler.LambdaLR(o, lambda n: k[0])",
        "(s.step(), x * o.param_groups[0]['lr'])[1]",
        "k[0] = 5.0",
    ),
}
_TEXT = """
{setup}
def f(x):
    return {use}
f = compile(f)
made = [f(torch.ones(1)), f(torch.ones(1))]
{change}
return made, f(torch.ones(1)), f(torch.ones(1))
"""


def _text(setup, change):
    return _TEXT.replace("{setup}", setup).replace("{change}", change)


TABLE = [
    made
    for name, (setup, use, change) in _READS.items()
    for made in expressions("library", {name: use}, _text(setup, change), {})
]


@case
def operating_systems_random_bytes(torch, compile):
    import os

    f = compile(lambda x: (x * 1.0, os.urandom(8)))
    a, b = f(torch.ones(1)), f(torch.ones(1))
    return a[0], a[1] == b[1]


@case
def unique_identifiers(torch, compile):
    import uuid

    f = compile(lambda x: (x * 1.0, str(uuid.uuid4())))
    return len({f(torch.ones(1))[1] for _ in range(4)})


@case
def standard_input(torch, compile):
    import io
    import sys

    before, sys.stdin = sys.stdin, io.StringIO("1\n2\n3\n")
    try:
        f = compile(lambda x: x * float(input()))
        return [f(torch.ones(1)) for _ in range(3)]
    finally:
        sys.stdin = before


@case
def standard_error_and_output(torch, compile):
    import contextlib
    import io
    import sys

    @compile
    def f(x):
        sys.stdout.write("out\n")
        print("err", file=sys.stderr)
        return x * 2.0

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        made = [f(torch.ones(1)) for _ in range(3)]
    return made, out.getvalue(), err.getvalue()


@case
def another_process(torch, compile):
    import subprocess
    import tempfile

    with tempfile.NamedTemporaryFile("r") as file:
        f = compile(lambda x: x * subprocess.call(f"echo line >> {file.name}; exit 3", shell=True))
        made = [f(torch.ones(1)) for _ in range(3)]
        return made, file.read()


@case
def date_and_time(torch, compile):
    import datetime
    import time

    f = compile(lambda x: (x * 1.0, datetime.datetime.now(), time.time_ns()))
    a, b = f(torch.ones(1)), f(torch.ones(1))
    return b[1] > a[1], b[2] > a[2]


@case
def sleeping(torch, compile):
    import time

    @compile
    def f(x):
        time.sleep(0.02)
        return x * 2.0

    f(torch.ones(1))
    start = time.perf_counter()
    made = [f(torch.ones(1)), f(torch.ones(1))]
    return made, time.perf_counter() - start > 0.04
