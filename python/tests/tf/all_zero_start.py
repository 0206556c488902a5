# expect: DG0314 one.kernel one.bias two.kernel two.bias three.kernel
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((16, 8)), tf.random.uniform((16,), maxval=3, dtype=tf.int32)


def dense(units, name, activation=None):
    return keras.layers.Dense(units, activation, kernel_initializer="zeros", name=name)


net = keras.Sequential([dense(6, "one", "relu"), dense(6, "two", "relu"), dense(3, "three")])
net.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
net.fit(x, y, epochs=4, batch_size=8, verbose=0)
