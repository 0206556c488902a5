# expect: DG0313 first.b
import jax
import jax.numpy as jnp

key = jax.random.PRNGKey(1)
x, y = jax.random.normal(key, (16, 6)), jax.random.normal(jax.random.PRNGKey(2), (16, 1))
params = {
    "first": {"w": jax.random.normal(jax.random.PRNGKey(3), (6, 8)), "b": jnp.zeros(8)},
    "head": {"w": jax.random.normal(jax.random.PRNGKey(4), (8, 1)), "b": jnp.zeros(1)},
}


def norm(h):
    centred = h - h.mean(axis=0)  # here
    return centred / jnp.sqrt((centred ** 2).mean(axis=0) + 1e-5)


def loss_fn(params, x, y):
    h = norm(x @ params["first"]["w"] + params["first"]["b"])
    return jnp.mean((jnp.tanh(h) @ params["head"]["w"] + params["head"]["b"] - y) ** 2)


@jax.jit
def step(params, x, y):
    loss, grads = jax.value_and_grad(loss_fn)(params, x, y)
    return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads), loss


for _ in range(8):
    params, loss = step(params, x, y)
print(float(loss))
