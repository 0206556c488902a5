# expect: DG0313 first.bias
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((16, 4)), tf.random.uniform((16, 1))


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.first = keras.layers.Dense(6)  # here
        self.norm = keras.layers.BatchNormalization()
        self.last = keras.layers.Dense(1)

    def call(self, x, training=False):
        return self.last(tf.nn.relu(self.norm(self.first(x), training=training)))


net = Net()
net.compile("adam", "mse")
net.fit(x, y, epochs=4, batch_size=8, verbose=0)
