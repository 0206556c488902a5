# expect: DG0303 k; DG0303 scale
import jax
import jax.numpy as jnp
import numpy as np

x = np.random.RandomState(1).randn(8, 3).astype("float32")
params = {
    "w": jax.random.normal(jax.random.PRNGKey(0), (3, 1)),
    "scale": jnp.ones(2) * 2,  # here
    "k": jnp.ones(1) * 3,  # here
}


def loss_fn(params, scale, k):
    return jnp.mean((x @ params["w"] * scale * k - 1) ** 2)


for _ in range(6):
    scale = float(params["scale"][0])  # here
    k = int(params["k"].tolist()[0])  # here
    grads = jax.grad(loss_fn)(params, scale, k)
    params = jax.tree.map(lambda p, g: p - 0.01 * g, params, grads)
