# expect: DG0304 scaled.scale
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((16, 4)), tf.random.uniform((16, 2))


class Scaled(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.scale = tf.Variable(tf.ones(4), name="scale")  # here

    def call(self, x):
        return x * self.scale


net = keras.Sequential([Scaled(), keras.layers.Dense(2)])
net.compile(keras.optimizers.SGD(0.1), "mse")  # here
net.fit(x, y, epochs=4, batch_size=8, verbose=0)
