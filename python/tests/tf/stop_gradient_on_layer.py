# expect: DG0303 first.kernel first.bias
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((16, 4)), tf.random.uniform((16, 1))


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.first = keras.layers.Dense(8, activation="relu")  # here
        self.last = keras.layers.Dense(1)

    def call(self, x):
        h = tf.stop_gradient(self.first(x))  # here
        return self.last(h)


net = Net()
net.compile("adam", "mse")
net.fit(x, y, epochs=8, batch_size=8, verbose=0)
