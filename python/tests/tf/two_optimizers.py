# expect: nothing
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((16, 4)), tf.random.uniform((16, 1))

net = keras.Sequential([keras.layers.Dense(4, "relu"), keras.layers.Dense(1)])
net.build((None, 4))
one, two = keras.optimizers.Adam(0.01), keras.optimizers.SGD(0.1)
for k in range(5):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((net(x, training=True) - y) ** 2)
    g = tape.gradient(loss, net.trainable_variables)
    one.apply_gradients(zip(g[:2], net.trainable_variables[:2]))
    two.apply_gradients(zip(g[2:], net.trainable_variables[2:]))
