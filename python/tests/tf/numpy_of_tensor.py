# expect: DG0302 w
import keras
import numpy as np
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((16, 4)), tf.random.uniform((16, 1))

w, v = tf.Variable(tf.random.normal((4, 3))), tf.Variable(tf.random.normal((3, 1)))
opt = keras.optimizers.SGD(0.01)
for k in range(5):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((np.tanh(x @ w) @ v - y) ** 2)
    opt.apply_gradients(zip(tape.gradient(loss, [w, v]), [w, v]))
