# expect: DG0301 skip.kernel skip.bias
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((16, 4)), tf.random.uniform((16, 1))


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.body = keras.layers.Dense(4, "relu")
        self.skip = keras.layers.Dense(1)  # here
        self.skip.build((None, 4))

    def call(self, x):
        return self.body(x)[:, :1]


net = Net()
net.compile("adam", "mse")
net.fit(x, y, epochs=4, batch_size=8, verbose=0)
