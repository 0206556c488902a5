# expect: nothing
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((8, 4)), tf.random.uniform((8, 1))
w, v = tf.Variable(tf.random.normal((4, 3))), tf.Variable(tf.random.normal((3, 1)))
opt = keras.optimizers.SGD(1e-2)


def step_loss():
    h = tf.py_function(lambda a: tf.tanh(a), [x @ w], tf.float32)
    h.set_shape((8, 3))
    return tf.reduce_mean((h @ v - y) ** 2)


for _ in range(4):
    with tf.GradientTape() as tape:
        loss = step_loss()
    variables = [w, v]
    opt.apply_gradients(zip(tape.gradient(loss, variables), variables))
