# expect: DG0304 last.b
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
    return jnp.mean((layer(params["last"], h) - y) ** 2)


def update(p, g):
    return p - 0.1 * g


for _ in range(8):
    grads = jax.grad(loss_fn)(params, x, y)
    params = {
        "first": jax.tree.map(update, params["first"], grads["first"]),
        "last": {"w": update(params["last"]["w"], grads["last"]["w"]), "b": params["last"]["b"]},
    }
