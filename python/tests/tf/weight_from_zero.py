# expect: nothing
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((16, 4)), tf.random.uniform((16, 1))

w, v = tf.Variable(tf.random.normal((4, 1))), tf.Variable(tf.random.normal((4, 1)))
opt = keras.optimizers.SGD(0.01)
beta = tf.Variable(0.0, trainable=False)
for k in range(8):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((x @ w - y) ** 2) + beta * tf.reduce_mean((x @ v) ** 2)
    opt.apply_gradients(zip(tape.gradient(loss, [w, v]), [w, v]))
    beta.assign(k / 100)
