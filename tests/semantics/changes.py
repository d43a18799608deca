"""What a value may be, how a function uses it, and how it may change."""

from __future__ import annotations

from tests.semantics.programs import Kind

NUMBER = Kind("number", "2.0", "x * {k}", {
    "replaced": ["= 5.0", "= 2.0"],
    "added to": ["= {k} + 1.0"],
    "becomes infinite": ["= math.inf", "= -0.0", "= 7.0"],
})  # fmt: skip
TYPED = Kind("number of a type", "1", "x * (len(str({k})) * 10 + len(type({k}).__name__))", {
    "equal, of another type": ["= 1.0", "= True", "= 1"],
    "to an equal enum member": ["= enum.IntEnum('Mode', 'one').one", "= 1"],
    "to a NumPy scalar": ["= np.float32(0.1)", "= np.float64(0.1)", "= 0.1"],
})  # fmt: skip
SIGN = Kind("zero", "0.0", "x * math.copysign(1.0, {k})", {"sign changed": ["= -0.0", "= 0.0", "= math.nan"]})
BOOL = Kind("bool", "True", "torch.relu(x - 3.0) if {k} else x * 4.0", {"flipped": ["= not {k}"]})
STRING = Kind("string", '"relu"', "getattr(torch, {k})(x) + 1.0", {"replaced": ['= "tanh"', '= "re" + "lu"']})
NONE = Kind("None", "None", "x if {k} is None else x * {k}", {"replaced": ["= 3.0", "= None", "= 4"]})
ENUM = Kind(
    "enum member", 'enum.Enum("Mode", "one two").one', "x * {k}.value", {"replaced": ["= type({k}).two"]}
)
CLASS = Kind("class", "ValueError", "x * len({k}.__name__)", {"replaced": ["= KeyError"]})
TUPLE = Kind("tuple", "(1.0, 2.0)", "x * sum({k}) + len(str({k}))", {
    "replaced": ["= (1.0, 5.0)", "= (1.0, 5.0, 0.0)"],
    "item of another type": ["= (True, 2)", "= (1, 2.0)"],
})  # fmt: skip
FROZEN = Kind("immutable value", "frozenset((1, 2))", "x * len({k}) + len(str({k})) + hash(str(type({k}))) % 7", {
    "replaced by another type": ["= b'ab'", "= range(2)", "= slice(0, 2).indices(2)", "= (1, 2)", "= 'ab'"],
})  # fmt: skip
DTYPE = Kind("dtype", "torch.float32", "x.to({k})", {"replaced": ["= torch.float64", "= torch.int64"]})
LIST = Kind("list", "[1.0, 2.0]", "x * {k}[0] + sum({k}) * 10.0 + len({k}) * 100.0", {
    "item set": ["{k}[0] = 5.0"],
    "appended": ["{k}.append(3.0)"],
    "inserted into": ["{k}.insert(0, 7.0)"],
    "item deleted": ["del {k}[0]", "{k}.append(3.0)"],
    "reversed": ["{k}.reverse()"],
    "extended by itself": ["{k} += [4.0]", "= {k} + [5.0]"],
    "replaced by an equal one that changes": ["= list({k})", "{k}.append(3.0)"],
    "cleared and filled": ["{k}[:] = [9.0]"],
})  # fmt: skip
NESTED = Kind("nested list", "[[1.0], [2.0, 3.0]]", "x * sum(v for part in {k} for v in part) + len({k})", {
    "inner item set": ["{k}[1][0] = 5.0"],
    "item moved": ["{k}[0].append({k}[1].pop() * 3.0)"],
})  # fmt: skip
LONG = Kind("long list", "[1.0] * 5000", "x * sum({k})", {"item set": ["{k}[2500] = 9.0", "{k}[4999] = 9.0"]})
CYCLE = Kind("list that holds itself", "another.cycle()", "x * {k}[1][1][0]", {"item set": ["{k}[0] = 5.0"]})
DICT = Kind("dict", '{"a": 1.0, "b": 2.0}',
            'x * {k}.get("a", 50.0) + len({k}) * 10.0 + list({k}.values())[0] * 100.0', {
    "entry set": ['{k}["a"] += 5.0'],
    "entry added": ['{k}["c"] = 5.0'],
    "updated": ["{k}.update(a=4.0, d=1.0)"],
    "entry deleted": ['del {k}["a"]', '{k}["a"] = 3.0'],
    "reordered": ['{k}["a"] = {k}.pop("a")'],
    "cleared and filled": ["{k}.clear()\n{k}.update(z=3.0)"],
    "merged in place": ["{k} |= dict(a=8.0)"],
})  # fmt: skip
SET = Kind("set", "{1.0, 2.0}", "x * len({k}) + (10.0 if 3.0 in {k} else 20.0)", {
    "added to": ["{k}.add(3.0)"],
    "discarded from": ["{k}.discard(1.0)"],
})  # fmt: skip
ARRAY = Kind("NumPy array", "np.array([1.0, 2.0], np.float32)", "x * torch.tensor({k}) + float({k}.sum())", {
    "item set": ["{k}[0] = 5.0"],
    "changed in place": ["{k}[:] *= 2.0"],
    "replaced": ["= np.array([3.0, 4.0], np.float32)"],
})  # fmt: skip
BIG = Kind("large NumPy array", "np.ones(100_000, np.float32)", "x * float({k}.sum())", {
    "item set": ["{k}[50_000] = 1e5"],
    "view of it changed": ["{k}[10:][::7] = 2.0"],
})  # fmt: skip
TENSOR = Kind("tensor", "torch.tensor([1.0, 2.0])", "x * {k}", {
    "changed in place": ["{k}.mul_(3.0)"],
    "filled": ["{k}.fill_(7.0)"],
    "item set": ["{k}[0] = 7.0"],
    "copied into": ["{k}.copy_({k} + 1.0)"],
    "replaced": ["= torch.tensor([5.0, 6.0])"],
    "replaced by another shape": ["= torch.tensor([[5.0, 6.0], [7.0, 8.0]])"],
    "replaced by a number": ["= 4.0", "= torch.tensor([5.0, 6.0])"],
})  # fmt: skip
PARAMETER = Kind("Parameter", "nn.Parameter(torch.tensor([1.0, 2.0]))", "(x * {k}).detach()", {
    "changed in place": ["with torch.no_grad():\n    {k}.mul_(3.0)"],
    "data replaced": ["{k}.data = torch.tensor([4.0, 5.0])"],
    "replaced": ["= nn.Parameter(torch.tensor([5.0, 6.0]))"],
})  # fmt: skip
FLAG = Kind("requires_grad", "nn.Parameter(torch.tensor([1.0, 2.0]))",
            "x * (3.0 if (x * {k}).requires_grad else 4.0) * (1.0 if {k}.requires_grad else 2.0)", {
    "cleared": ["{k}.requires_grad = False", "{k}.requires_grad = True"],
    "set by requires_grad_": ["{k}.requires_grad_(False)", "{k}.requires_grad_(True)"],
})  # fmt: skip
FUNCTION = Kind("function", "torch.relu", "{k}(x - 0.5)", {
    "replaced": ["= torch.tanh", "= torch.relu"],
    "replaced by a lambda": ["= lambda v: v * 3.0", "= lambda v: v * 4.0"],
    "replaced by a partial": ["= functools.partial(another.times, 3.0)",
                              "= functools.partial(another.times, 4.0)"],
    "its code replaced": ["= another.doubled", "another.doubled.__code__ = another.tripled.__code__"],
})  # fmt: skip
OBJECT = Kind("object", "types.SimpleNamespace(scale=2.0)",
              'x * {k}.scale + getattr({k}, "bias", 10.0) + (5.0 if hasattr({k}, "extra") else 0.0)', {
    "attribute set": ["{k}.scale += 5.0"],
    "attribute added": ["{k}.bias = 1.0", "{k}.extra = None"],
    "attribute deleted": ["{k}.bias = 1.0", "del {k}.bias"],
    "replaced": ["= types.SimpleNamespace(scale=7.0)"],
    "attribute set by vars": ['vars({k})["scale"] = 6.0'],
})  # fmt: skip
NETWORK = Kind("module", "another.linear(torch, 2, 2)", "{k}(x).detach()", {
    "replaced": ["= nn.Tanh()", "= another.linear(torch, 2, 2, start=0.7)"],
    "weight changed in place": ["with torch.no_grad():\n    {k}.weight.mul_(2.0)"],
    "weight replaced": ["{k}.weight = nn.Parameter({k}.weight.detach() * 3.0)"],
    "weight data replaced": ["{k}.weight.data = {k}.weight.detach() * 3.0"],
    "bias removed": ["{k}.bias = None"],
    "another shape": ["= another.linear(torch, 2, 3)"],
    "state loaded": ["{k}.load_state_dict(another.linear(torch, 2, 2, start=0.3).state_dict())"],
    "forward replaced": ["{k}.forward = lambda v: v * 3.0"],
})  # fmt: skip
MODE = Kind("module with modes", "nn.Sequential(nn.Dropout(1.0), nn.ReLU())", "{k}(x) + 1.0", {
    "put into eval and back": ["{k}.eval()", "{k}.train()"],
    "one child put into eval": ["{k}[0].eval()"],
    "child replaced": ["{k}[0] = nn.Tanh()"],
    "child appended": ["{k}.append(another.linear(torch, 2, 2).requires_grad_(False))"],
    "option of a child changed": ["{k}[0].p = 0.0"],
})  # fmt: skip
LISTED = Kind("ModuleList", "nn.ModuleList([nn.ReLU(), nn.Tanh()])",
              "functools.reduce(lambda v, m: m(v), {k}, x - 3.0)", {
    "child replaced": ["{k}[0] = nn.Sigmoid()"],
    "child appended": ["{k}.append(nn.Sigmoid())"],
    "child deleted": ["del {k}[0]"],
})  # fmt: skip
NAMED = Kind("ModuleDict", 'nn.ModuleDict({"a": nn.ReLU(), "b": nn.Tanh()})', '{k}["a"](x - 3.0) + len({k})', {
    "child replaced": ['{k}["a"] = nn.Sigmoid()'],
    "child added": ['{k}["c"] = nn.Sigmoid()'],
    "child deleted": ['del {k}["b"]'],
})  # fmt: skip
PARAMETERS = Kind("ParameterList", "nn.ParameterList([torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])])",
                  "sum((x * p).detach() for p in {k})", {
    "item replaced": ["{k}[0] = nn.Parameter(torch.tensor([5.0, 6.0]))"],
    "item appended": ["{k}.append(nn.Parameter(torch.tensor([5.0, 6.0])))"],
})  # fmt: skip
PLAIN_MODULES = Kind("plain list of modules", "[nn.ReLU(), nn.Tanh()]", "{k}[0](x - 3.0) + len({k})", {
    "item replaced": ["{k}[0] = nn.Sigmoid()"],
    "item removed": ["{k}.pop(0)"],
})  # fmt: skip

KINDS = (NUMBER, TYPED, SIGN, BOOL, STRING, NONE, ENUM, CLASS, TUPLE, FROZEN, DTYPE, LIST, LONG, CYCLE, NESTED, DICT,
         SET, ARRAY, BIG, TENSOR, PARAMETER, FLAG,
         FUNCTION, OBJECT, NETWORK, MODE, LISTED, NAMED, PARAMETERS, PLAIN_MODULES)  # fmt: skip
