# expect: nothing
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((16, 6)), tf.random.uniform((16, 4))


class Adapted(keras.layers.Layer):
    def build(self, shape):
        self.w = self.add_weight(shape=(6, 4), trainable=False, name="w")
        self.a = self.add_weight(shape=(6, 2), name="a")
        self.b = self.add_weight(shape=(2, 4), initializer="zeros", name="b")

    def call(self, x):
        return x @ self.w + (x @ self.a) @ self.b


net = keras.Sequential([Adapted()])
net.compile("adam", "mse")
net.fit(x, y, epochs=4, batch_size=8, verbose=0)
