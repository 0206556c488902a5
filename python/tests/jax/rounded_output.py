# expect: DG0303 first.b first.w last.b last.w
import jax
import jax.numpy as jnp

key = jax.random.PRNGKey(1)
x, y = jax.random.normal(key, (16, 4)), jax.random.normal(jax.random.PRNGKey(2), (16, 1))


def init(key, a, b):
    return {"w": jax.random.normal(key, (a, b)) * 0.5, "b": jnp.zeros(b)}


params = {
    "first": init(jax.random.PRNGKey(3), 4, 8),
    "last": init(jax.random.PRNGKey(4), 8, 1),
}


def layer(p, x):
    return x @ p["w"] + p["b"]


def loss_fn(params, x, y):
    h = jnp.tanh(layer(params["first"], x))
    return jnp.mean((jnp.round(layer(params["last"], h)) - y) ** 2)  # here


@jax.jit
def step(params, x, y):
    loss, grads = jax.value_and_grad(loss_fn)(params, x, y)
    return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads), loss


for _ in range(8):
    params, loss = step(params, x, y)
print(float(loss), [float(v.sum()) for v in jax.tree.leaves(params)])
