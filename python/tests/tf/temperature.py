# expect: nothing
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((16, 4)), tf.random.uniform((16, 1))

w = tf.Variable(tf.random.normal((4, 1)))
t = tf.Variable(1.0, trainable=False)
opt = keras.optimizers.SGD(0.01)
for k in range(6):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((x @ w / t - y) ** 2)
    opt.apply_gradients([(tape.gradient(loss, w), w)])
    t.assign(max(0.1, float(t) * 0.9))
