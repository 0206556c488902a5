# expect: nothing
import keras
import numpy as np
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((16, 4)), tf.random.uniform((16, 1))

net = keras.Sequential([keras.layers.Dense(4, "relu"), keras.layers.BatchNormalization(), keras.layers.Dense(1)])
opt = keras.optimizers.SGD(0.01)
for k in range(5):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((net(x, training=True) - y) ** 2)
    g = tape.gradient(loss, net.trainable_variables)
    opt.apply_gradients(zip(g, net.trainable_variables))
    print(k, float(loss), np.mean((net(x).numpy() - y) ** 2), net.predict(x, verbose=0).mean())
    if tf.reduce_any(tf.math.is_nan(loss)):
        break
