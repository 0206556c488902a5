# expect: DG0313 score.b score.w
import jax
import jax.numpy as jnp

x, y = jax.random.normal(jax.random.PRNGKey(1), (4, 6, 5)), jax.random.normal(jax.random.PRNGKey(2), (4, 5))
params = {
    "score": {"w": jax.random.normal(jax.random.PRNGKey(3), (5, 1)), "b": jnp.zeros(1)},
    "mix": {"w": jax.random.normal(jax.random.PRNGKey(4), (5, 5)), "b": jnp.zeros(5)},
}


def layer(p, x):
    return x @ p["w"] + p["b"]


def loss_fn(params, x, y):
    a = jax.nn.softmax(layer(params["score"], x), axis=2)  # here
    return jnp.mean(((a * layer(params["mix"], x)).mean(axis=1) - y) ** 2)


@jax.jit
def step(params, x, y):
    loss, grads = jax.value_and_grad(loss_fn)(params, x, y)
    return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads), loss


for _ in range(8):
    params, loss = step(params, x, y)
print(float(loss), [float(v.sum()) for v in jax.tree.leaves(params)])
