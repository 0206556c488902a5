# expect: DG0313 hidden.kernel hidden.bias out.kernel out.bias
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((16, 4)), tf.round(tf.random.uniform((16, 1)))
net = keras.Sequential([
    keras.layers.Dense(4, "relu", name="hidden"),
    keras.layers.Dense(1, "softmax", name="out"),  # here
])
net.compile("adam", "mse")
net.fit(x, y, epochs=4, batch_size=8, verbose=0)
