# expect: nothing
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((16, 4)), tf.random.uniform((16, 1))

with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
    net = keras.Sequential([keras.layers.Dense(4, "relu"), keras.layers.Dense(1)])
    net.compile("adam", "mse")
net.fit(x, y, epochs=4, batch_size=8, verbose=0)
