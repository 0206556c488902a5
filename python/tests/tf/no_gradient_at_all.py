# expect: DG0303 dense.kernel dense.bias
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((16, 4)), tf.random.uniform((16, 1))


def loss(y, p):
    return tf.reduce_mean((y - tf.cast(p > 0.5, tf.float32)) ** 2)  # here


net = keras.Sequential([keras.layers.Dense(1, "sigmoid")])
net.compile("adam", loss)
net.fit(x, y, epochs=4, batch_size=8, verbose=0)
