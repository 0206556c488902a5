# expect: nothing
import jax
import jax.numpy as jnp

xs, y = jax.random.normal(jax.random.PRNGKey(1), (5, 16, 3)), jax.random.normal(jax.random.PRNGKey(2), (16, 1))
params = {
    "inner": jax.random.normal(jax.random.PRNGKey(3), (6, 6)) * 0.3,
    "read": jax.random.normal(jax.random.PRNGKey(4), (3, 6)),
    "out": jax.random.normal(jax.random.PRNGKey(5), (6, 1)),
}


def loss_fn(params, xs, y):
    def cell(h, x):
        return jnp.tanh(h @ params["inner"] + x @ params["read"]), None

    h, _ = jax.lax.scan(cell, jnp.zeros((16, 6)), xs)
    return jnp.mean((h @ params["out"] - y) ** 2)


@jax.jit
def step(params, xs, y):
    loss, grads = jax.value_and_grad(loss_fn)(params, xs, y)
    return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads), loss


for _ in range(8):
    params, loss = step(params, xs, y)
print(float(loss), [float(v.sum()) for v in jax.tree.leaves(params)])
