# expect: DG0315 dense.kernel dense.bias dense_1.kernel
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((16, 3)), tf.random.uniform((16, 1))
net = keras.Sequential([
    keras.layers.Dense(4, "tanh", kernel_initializer="ones"),  # here
    keras.layers.Dense(1, kernel_initializer="ones"),
])
net.compile("sgd", "mse")
net.fit(x, y, epochs=4, batch_size=8, verbose=0)
