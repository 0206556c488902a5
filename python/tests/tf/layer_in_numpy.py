# expect: DG0303 encoder.kernel encoder.bias
import numpy as np
import tensorflow as tf
import keras

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((8, 4)), tf.random.uniform((8, 1))


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.encoder = keras.layers.Dense(4, activation="tanh")  # here
        self.head = keras.layers.Dense(1)

    def call(self, x):
        h = self.encoder(x).numpy()  # here
        return self.head(np.clip(h, -1.0, 1.0))


net = Net()
opt = keras.optimizers.SGD(0.1)
for _ in range(4):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(net(x) - y))
    grads = tape.gradient(loss, net.trainable_variables)
    opt.apply_gradients((g, v) for g, v in zip(grads, net.trainable_variables) if g is not None)
