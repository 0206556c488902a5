# expect: nothing
import tempfile

import keras
import tensorflow as tf

keras.utils.set_random_seed(1)

x, y = tf.random.uniform((8, 4)), tf.random.uniform((8, 1))


class M(tf.Module):
    def __init__(self):
        super().__init__()
        self.w = tf.Variable(tf.random.normal((4, 3)))

    @tf.function(input_signature=[tf.TensorSpec((None, 4))])
    def __call__(self, x):
        return tf.tanh(x @ self.w)


with tempfile.TemporaryDirectory() as d:
    tf.saved_model.save(M(), d)
    m = tf.saved_model.load(d)
v = tf.Variable(tf.random.normal((3, 1)))
opt = keras.optimizers.SGD(1e-2)
for _ in range(4):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((m(x) @ v - y) ** 2)
    opt.apply_gradients(zip(tape.gradient(loss, [m.w, v]), [m.w, v]))
