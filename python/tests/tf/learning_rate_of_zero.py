# expect: DG0305 dense.kernel dense.bias
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((16, 4)), tf.random.uniform((16, 2))
net = keras.Sequential([keras.layers.Dense(2)])
net.compile(keras.optimizers.SGD(learning_rate=0.0), "mse")  # here
net.fit(x, y, epochs=4, batch_size=8, verbose=0)
