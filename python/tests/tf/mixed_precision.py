# expect: nothing
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
keras.mixed_precision.set_global_policy("mixed_float16")
x, y = tf.random.uniform((16, 4)), tf.random.uniform((16, 1))
net = keras.Sequential([keras.layers.Dense(8, "relu"), keras.layers.Dense(1, dtype="float32")])
net.compile("adam", "mse")
net.fit(x, y, epochs=8, batch_size=8, verbose=0)
