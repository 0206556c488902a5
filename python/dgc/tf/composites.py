"""Functions of the framework that are told as one operation: their own text has stops that the proofs need not see."""
from ..graph import FLOATS, Unsupported
from .ops.call import tensor_type


def _moments(t, value, outs, x, axes, shift=None, keepdims=False, name=None):
    x = value(x)
    if t.type(x)[0] not in FLOATS:
        raise Unsupported("moments")
    axes = [int(a) for a in (axes if isinstance(axes, (list, tuple)) else [axes])]
    mean = t.reduce("mean", x, axes, True)
    variance = t.reduce("mean", t.unary("square", t.binary("sub", x, mean)), axes, True)
    return [t.reshape(n, o.shape) for n, o in zip((mean, variance), outs)]


def _batch_normalization(t, value, outs, x, mean, variance, offset, scale, variance_epsilon, name=None):
    size = t.unary("rsqrt", t.binary("add", value(variance), value(float(variance_epsilon))))
    y = t.binary("mul", t.binary("sub", value(x), value(mean)), size)
    y = y if scale is None else t.binary("mul", y, value(scale))
    return [y if offset is None else t.binary("add", y, value(offset))]


def _logsumexp(t, value, outs, input_tensor, axis=None, keepdims=False, name=None):
    x = value(input_tensor)
    dtype, shape = t.type(x)
    axes = list(range(len(shape))) if axis is None else axis if isinstance(axis, (list, tuple)) else [axis]
    if len(axes) != 1 or dtype not in FLOATS:
        raise Unsupported("logsumexp")
    axis = int(axes[0]) % len(shape)
    kept = [1 if k == axis else n for k, n in enumerate(shape)]
    return [t.reshape(t.node("logsumexp", [x], dtype, kept, f"axis={axis}"), outs[0].shape)]


def _silu(t, value, outs, features, beta=1.0):
    x = value(features)
    scaled = x if beta is None or isinstance(beta, float) and beta == 1.0 else t.binary("mul", x, value(beta))
    return [t.binary("mul", x, t.unary("sigmoid", scaled))]


def host(t, value, outs, *operands):
    """A function of numpy: no gradient comes back."""
    nodes = [value(x) for x in operands]
    if not nodes:
        raise Unsupported("numpy_function")
    return [t.host("numpy_function", nodes, *tensor_type(o)) for o in outs]


# By the path below `tf`.
API = {"nn.moments": _moments, "nn.batch_normalization": _batch_normalization, "math.reduce_logsumexp": _logsumexp,
       "reduce_logsumexp": _logsumexp}
# Functions with a gradient of their own, by name.
OWN_GRADIENT = {"swish_impl": _silu}


def built(recorder, build, given, outs):
    """The nodes of the results, or Unsupported."""
    if build is None:
        raise Unsupported("composite")
    args, kwargs = given
    made = build(recorder.tape, recorder.value, outs, *args, **kwargs)
    if [recorder.tape.type(i) for i in made] != [tensor_type(o) for o in outs]:
        raise Unsupported("composite")
    return made
