# expect: DG0303 first.kernel first.bias
import tensorflow as tf
import tf_keras as keras

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((32, 4)), tf.random.uniform((32, 1))


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.first = keras.layers.Dense(4)  # here
        self.last = keras.layers.Dense(1)
        self.w = tf.Variable(1.0)

    def call(self, x):
        return self.w * self.last(tf.stop_gradient(self.first(x)))  # here


net = Net()
net.compile("adam", "mse")
net.fit(x, y, epochs=4, batch_size=8, verbose=0)
