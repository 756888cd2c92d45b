"""What may stand in a plainly pure answer: functions that neither look at how they are called nor remember it, and their like.

How an answer is read with it is in purity.py. Nothing on these lists tells a traced array from another one, calls back, prints,
or changes anything but a list that the same function made.
"""

import ast

JNP = """abs absolute add all allclose any append arange argmax argmin argsort array array_equal asarray atleast_1d average
bool_ broadcast_to ceil clip concatenate corrcoef cos count_nonzero cumprod cumsum delete diff divide dot e einsum
empty_like equal exp expand_dims expm1 eye finfo flip float32 floor full full_like greater greater_equal inf int32
isfinite isinf isnan isneginf less less_equal linspace log log1p log2 logaddexp logical_and logical_not logical_or
logical_xor matmul max maximum mean median min minimum moveaxis multiply nan nan_to_num nanmean nansum ndim negative
newaxis not_equal ones ones_like outer pad pi power prod quantile ravel reciprocal repeat reshape roll round
searchsorted select sign sin size sort split sqrt square squeeze stack std subtract sum swapaxes take take_along_axis
tanh tensordot tile trace transpose tril triu true_divide unique uint32 vdot var vstack hstack where zeros zeros_like""".split()
LAX = """associative_scan cond cumlogsumexp cummax cummin cumprod cumsum dynamic_index_in_dim dynamic_slice
dynamic_update_slice exp fori_loop log map max min reverse rsqrt scan select sort stop_gradient switch top_k
while_loop""".split()
NN = "gelu log_sigmoid log_softmax logsumexp one_hot relu sigmoid silu softmax softplus standardize tanh".split()
SPECIAL = "entr expit gammaln logit logsumexp rel_entr xlog1py xlogy".split()
RANDOM = "bernoulli categorical choice exponential fold_in gumbel key logistic normal permutation randint split uniform".split()
NUMPY = "e float32 inf int32 nan newaxis pi".split()
MATH = "ceil comb e exp factorial fabs floor inf isfinite lgamma log log1p log2 nan pi sqrt".split()
KNOWN = {  # what may be called, or stand as a value
    *(
        "jax.jit",
        "jax.vmap",
        "jax.grad",
        "jax.value_and_grad",
        "jax.hessian",
        "jax.numpy.linalg.norm",
        "jax.tree.map",
        "functools.partial",
    ),
    *(f"jax.numpy.{name}" for name in JNP),
    *(f"jax.lax.{name}" for name in LAX),
    *(f"jax.nn.{name}" for name in NN),
    *(f"jax.random.{name}" for name in RANDOM),
    *(f"jax.scipy.special.{name}" for name in SPECIAL),
    *(f"numpy.{name}" for name in NUMPY),
    *(f"math.{name}" for name in MATH),
}
MODULES = {path.rpartition(".")[0] for path in KNOWN} | {"jax.scipy"}
TYPES = {"jaxtyping", "typing", "collections.abc"}  # for annotations alone
ARRAY_TYPES = {"jax.Array", "jax.numpy.ndarray", "numpy.ndarray"}
ITERATORS = {"enumerate", "map", "reversed", "zip"}  # used up by whoever goes through them, so only where they are made
CALLED = ITERATORS | set("abs all any len list max min range round sum tuple".split())
KINDS = {"bool", "float", "int"}  # as a dtype or called: a traced array refuses to become one
ATTRIBUTES = set(
    """T add all any argmax argmin argsort astype at clip cumsum dtype eps flatten get max mean min mT multiply ndim
prod ravel reshape set shape size sum squeeze std swapaxes take tiny transpose var""".split()
)
CHANGES = {"append", "extend", "insert", "reverse"}  # of a list that the same function made
NODES = (  # what needs no look of its own
    *(ast.Return, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.For, ast.While, ast.If, ast.Assert, ast.Expr, ast.Pass),
    *(
        ast.Break,
        ast.Continue,
        ast.BoolOp,
        ast.BinOp,
        ast.UnaryOp,
        ast.IfExp,
        ast.Dict,
        ast.ListComp,
        ast.DictComp,
        ast.Call,
    ),
    *(ast.comprehension, ast.Subscript, ast.Slice, ast.Starred, ast.List, ast.Tuple, ast.Constant),
    *(ast.keyword, ast.arguments, ast.expr_context, ast.boolop, ast.operator, ast.unaryop, ast.cmpop),
)
