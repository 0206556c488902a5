# expect: DG0302 extra.kernel extra.bias
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((16, 4)), tf.random.uniform((16, 1))
body, head = keras.layers.Dense(4, "relu"), keras.layers.Dense(1)
extra = keras.layers.Dense(3)  # here
opt = keras.optimizers.Adam(0.01)


def step_loss():
    h = body(x)
    unused = extra(h)
    return tf.reduce_mean((head(h) - y) ** 2)


for _ in range(4):
    with tf.GradientTape() as tape:
        loss = step_loss()
    variables = body.trainable_variables + extra.trainable_variables + head.trainable_variables
    opt.apply_gradients(zip(tape.gradient(loss, variables), variables))
