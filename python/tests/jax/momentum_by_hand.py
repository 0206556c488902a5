# expect: nothing
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

speed = jax.tree.map(jnp.zeros_like, params)


def loss_fn(params, x, y):
    h = jax.nn.gelu(layer(params["first"], x))
    return jnp.mean((layer(params["last"], h) - y) ** 2)


@jax.jit
def step(params, speed, x, y):
    loss, grads = jax.value_and_grad(loss_fn)(params, x, y)
    speed = jax.tree.map(lambda s, g: 0.9 * s + g, speed, grads)
    return jax.tree.map(lambda p, s: p - 0.05 * s, params, speed), speed, loss


for _ in range(8):
    params, speed, loss = step(params, speed, x, y)
