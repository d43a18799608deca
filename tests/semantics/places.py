"""Where a compiled function may find a value. One line of the contract's table for each, at least."""

from __future__ import annotations

from tests.semantics.programs import Place

_OBJECT = "class Config:\n    pass\nc = Config()\nc.k = {first}"


def _attribute(
    name: str, setup: str, read: str = "c.k", write: str = "c.k = {new}", declare: str = ""
) -> Place:
    return Place(name, setup, read, write, declare=declare)


def _argument(name: str, setup: str, argument: str, read: str, write: str, declare: str = "") -> Place:
    """What `argument` names is passed at every call."""
    return Place(
        name, setup, read, write, f=f"def f(x, {argument}):", declare=declare,
        made=f"compiled = compile(raw)\ndef f(x):\n    return compiled(x, {argument})",
    )  # fmt: skip


CLOSURE = Place("closure variable", "k = {first}", declare="nonlocal k")
GLOBAL = Place("global", "k = {first}", declare="global k", top=True)
ATTRIBUTE = _attribute("attribute of an object", _OBJECT)
MODULE = Place(
    "attribute of a module",
    "class Net(nn.Module):\n    pass\nnet = Net()\nnet.k = {first}",
    "self.k", "net.k = {new}", "net.k", f="def f(self, x):",
    made="Net.forward = raw\ndef through(x):\n    return net(x)\nf = compile(through)",
)  # fmt: skip
ARGUMENT = _argument("argument", "k = {first}", "k", "k", "k = {new}", "nonlocal k")

MAIN = (CLOSURE, GLOBAL, ATTRIBUTE, MODULE, ARGUMENT)

ARGUMENTS = (
    Place("default argument", "box = {first}", "k", "raw.__defaults__ = ({new},)", "raw.__defaults__[0]",
          f="def f(x, k=box):"),
    Place("keyword-only default", "box = {first}", "k", 'raw.__kwdefaults__["k"] = {new}', 'raw.__kwdefaults__["k"]',
          f="def f(x, *, k=box):"),
    Place("argument of a `functools.partial`", "", "k", "", "part.args[0]", f="def f(k, x):",
          made="part = functools.partial(raw, {first})\nf = compile(part)"),
    Place("keyword of a `functools.partial`", "", "k", 'part.keywords["k"] = {new}', 'part.keywords["k"]',
          f="def f(x, k):", made="part = functools.partial(raw, k={first})\nf = compile(part)"),
    _argument("attribute of an argument", _OBJECT, "c", "c.k", "c.k = {new}"),
    _argument("entry of a dict argument", 'd = {"k": {first}}', "d", 'd["k"]', 'd["k"] = {new}'),
    _argument("attribute of a dataclass argument",
              "@dataclasses.dataclass\nclass Config:\n    k: object\nc = Config({first})", "c", "c.k", "c.k = {new}"),
    Place("keyword argument", "k = {first}", "k", "k = {new}", f="def f(x, *, k):", declare="nonlocal k",
          made="compiled = compile(raw)\ndef f(x):\n    return compiled(x, k=k)"),
)  # fmt: skip

OBJECTS = (
    Place("object of a bound method", "class Holder:\n    pass\nholder = Holder()\nholder.k = {first}",
          "self.k", "holder.k = {new}", "holder.k", f="def f(self, x):",
          made="f = compile(types.MethodType(raw, holder))"),
    Place("callable object", "class Holder:\n    pass\nholder = Holder()\nholder.k = {first}",
          "self.k", "holder.k = {new}", "holder.k", f="def f(self, x):",
          made="Holder.__call__ = raw\nf = compile(holder)"),
    _attribute("field of a dataclass",
               "@dataclasses.dataclass\nclass Config:\n    k: object\nc = Config({first})"),
    _attribute("field of a frozen dataclass",
               "@dataclasses.dataclass(frozen=True)\nclass Config:\n    k: object\nc = Config({first})",
               write="c = dataclasses.replace(c, k={new})", declare="nonlocal c"),
    _attribute("attribute of a `SimpleNamespace`", "c = types.SimpleNamespace(k={first})"),
    _attribute("field of a namedtuple", 'c = collections.namedtuple("Pair", "k other")({first}, 0.0)',
               write="c = c._replace(k={new})", declare="nonlocal c"),
    _attribute("slot", 'class Config:\n    __slots__ = ("k",)\nc = Config()\nc.k = {first}'),
    _attribute("property",
               "class Config:\n    @property\n    def k(self):\n        return self.hidden\n"
               "c = Config()\nc.hidden = {first}",
               write="c.hidden = {new}"),
    _attribute("`__getattr__`",
               "class Config:\n    def __getattr__(self, name):\n        return entries[name]\n"
               'entries = {"k": {first}}\nc = Config()', write='entries["k"] = {new}'),
    _attribute("class attribute", "class Config:\n    k = {first}\nc = Config()", write="Config.k = {new}"),
    _attribute("class attribute read from the class", "class Config:\n    k = {first}", "Config.k", "Config.k = {new}"),
    _attribute("attribute of a base class",
               "class Base:\n    k = {first}\nclass Config(Base):\n    pass\nc = Config()", write="Base.k = {new}"),
    _attribute("attribute of an object in an object",
               f"{_OBJECT}\nouter = types.SimpleNamespace(inner=c)", "outer.inner.k"),
    _attribute("attribute six objects down",
               "class Config:\n    pass\nc = outer = Config()\nfor _ in range(6):\n"
               "    c.next = Config()\n    c = c.next\nc.k = {first}", "outer.next.next.next.next.next.next.k"),
    _attribute("attribute of an object that holds itself", f"{_OBJECT}\nc.me = c", "c.me.me.k"),
    _attribute("attribute of an object in a list", f"{_OBJECT}\nlisted = [c]", "listed[0].k"),
    _attribute("attribute of a function", "def helper():\n    pass\nhelper.k = {first}",
               "helper.k", "helper.k = {new}"),
)  # fmt: skip

CONTAINERS = (
    _attribute("entry of a dict", 'd = {"k": {first}}', 'd["k"]', 'd["k"] = {new}'),
    _attribute("entry of a dict by get", 'd = {"k": {first}}', 'd.get("k")', 'd["k"] = {new}'),
    _attribute("item of a list", "l = [{first}, 0.0]", "l[0]", "l[0] = {new}"),
    _attribute("item of a tuple", "t = ({first}, 0.0)", "t[0]", "t = ({new}, 0.0)", "nonlocal t"),
    _attribute("dict in a list in a dict", 'd = {"steps": [{"k": {first}}]}', 'd["steps"][0]["k"]',
               'd["steps"][0]["k"] = {new}'),
    _attribute("entry of a ChainMap", 'd = {"k": {first}}\nchain = collections.ChainMap({}, d)', 'chain["k"]',
               'd["k"] = {new}'),
    _attribute("entry of a defaultdict", 'd = collections.defaultdict(list)\nd["k"] = {first}', 'd["k"]',
               'd["k"] = {new}'),
    _attribute("item of a deque", "l = collections.deque([{first}])", "l[0]", "l[0] = {new}"),
)  # fmt: skip

INDIRECT = (
    _attribute("name given to `getattr`", _OBJECT, 'getattr(c, "k")'),
    _attribute("computed name given to `getattr`", f"{_OBJECT}\nname = 'K'", "getattr(c, name.lower())"),
    _attribute("`vars`", _OBJECT, 'vars(c)["k"]'),
    _attribute("`operator.attrgetter`", f"{_OBJECT}\nget = operator.attrgetter('k')", "get(c)"),
    Place("`globals()`", "k = {first}", 'globals()["k"]', declare="global k", top=True),
    Place("variable of a nested function", "k = {first}\ndef inner():\n    return k", "inner()", peek="k",
          declare="nonlocal k"),
    Place("variable two functions down", "k = {first}\ndef outer():\n    def inner():\n        return k\n"
          "    return inner()", "outer()", peek="k", declare="nonlocal k"),
    Place("global of another file", "another.k = {first}", "another.k", "another.k = {new}"),
    Place("context variable", 'import contextvars\nk = contextvars.ContextVar("k")\nk.set({first})', "k.get()",
          "k.set({new})"),
    Place("thread-local attribute", "c = threading.local()\nc.k = {first}", "c.k", "c.k = {new}"),
    Place("method of a base class",
          "class Base:\n    def get(self):\n        return self.k\nclass Config(Base):\n    pass\nc = Config()\n"
          "c.k = {first}", "c.get()", "c.k = {new}", "c.k"),
)  # fmt: skip

MODULES = (
    Place("attribute of a compiled module", "class Net(nn.Module):\n    pass\nnet = Net()\nnet.k = {first}",
          "self.k", "net.k = {new}", "net.k", f="def f(self, x):", made="Net.forward = raw\nf = compile(net)"),
    Place("attribute of a module in a module",
          "class Net(nn.Module):\n    pass\nnet, whole = Net(), nn.Sequential()\nnet.k = {first}\nwhole.part = net",
          "self.k", "net.k = {new}", "net.k", f="def f(self, x):",
          made="Net.forward = raw\ndef through(x):\n    return whole(x)\nf = compile(through)"),
    Place("attribute of a module that is not called",
          "class Net(nn.Module):\n    pass\nnet = Net()\nnet.k = {first}", "net.k", "net.k = {new}"),
    Place("attribute of a module read in a method other than forward",
          "class Net(nn.Module):\n    pass\nnet = Net()\nnet.k = {first}", "self.k", "net.k = {new}", "net.k",
          f="def f(self, x):",
          made="Net.encode = raw\ndef through(x):\n    return net.encode(x)\nf = compile(through)"),
)  # fmt: skip

PLACES = (*MAIN, *ARGUMENTS, *OBJECTS, *CONTAINERS, *INDIRECT, *MODULES)
