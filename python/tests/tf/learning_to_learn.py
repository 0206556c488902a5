# expect: nothing
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((8, 4)), tf.random.uniform((8, 1))
w, v = tf.Variable(tf.random.normal((4, 3))), tf.Variable(tf.random.normal((3, 1)))
opt = keras.optimizers.SGD(1e-2)

for _ in range(4):
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            loss = tf.reduce_mean((x @ w @ v - y) ** 2)
        g = inner.gradient(loss, w)
        fast = w - 0.1 * g
        meta = tf.reduce_mean((x @ fast @ v - y) ** 2)
    opt.apply_gradients(zip(outer.gradient(meta, [w, v]), [w, v]))
