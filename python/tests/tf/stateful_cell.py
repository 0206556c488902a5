# expect: nothing
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((8, 4)), tf.random.uniform((8, 3))
w = tf.Variable(tf.random.normal((7, 3)))
state = tf.Variable(tf.zeros((8, 3)), trainable=False)
opt = keras.optimizers.Adam(0.01)
for _ in range(5):
    with tf.GradientTape() as tape:
        h = tf.tanh(tf.concat([x, state], 1) @ w)
        state.assign(h)
        loss = tf.reduce_mean((h - y) ** 2)
    opt.apply_gradients([(tape.gradient(loss, w), w)])
