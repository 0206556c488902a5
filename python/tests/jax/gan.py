# expect: nothing
import jax
import jax.numpy as jnp


def init(key, a, b):
    return {"w": jax.random.normal(key, (a, b)) * 0.5, "b": jnp.zeros(b)}


params = {
    "first": init(jax.random.PRNGKey(3), 4, 8),
    "last": init(jax.random.PRNGKey(4), 8, 1),
}


def layer(p, x):
    return x @ p["w"] + p["b"]

real = jax.random.normal(jax.random.PRNGKey(1), (16, 3)) + 2.0
gen = {"first": init(jax.random.PRNGKey(5), 2, 8), "last": init(jax.random.PRNGKey(6), 8, 3)}
critic = {"first": init(jax.random.PRNGKey(7), 3, 8), "last": init(jax.random.PRNGKey(8), 8, 1)}


def net(p, x):
    return layer(p["last"], jnp.tanh(layer(p["first"], x)))


def critic_loss(critic, gen, real, z):
    fake = jax.lax.stop_gradient(net(gen, z))
    return jnp.mean(jax.nn.softplus(-net(critic, real))) + jnp.mean(jax.nn.softplus(net(critic, fake)))


def gen_loss(gen, critic, z):
    return jnp.mean(jax.nn.softplus(-net(critic, net(gen, z))))


def sgd(params, grads):
    return jax.tree.map(lambda p, g: p - 0.05 * g, params, grads)


@jax.jit
def step(gen, critic, z):
    critic = sgd(critic, jax.grad(critic_loss)(critic, gen, real, z))
    gen = sgd(gen, jax.grad(gen_loss)(gen, critic, z))
    return gen, critic


for k in range(8):
    gen, critic = step(gen, critic, jax.random.normal(jax.random.PRNGKey(k), (16, 2)))
