# expect: nothing
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((8, 4)), tf.random.uniform((8, 1))
w, v = tf.Variable(tf.random.normal((4, 3))), tf.Variable(tf.random.normal((3, 1)))
opt = keras.optimizers.SGD(1e-2)

for _ in range(4):
    with tf.GradientTape() as tape:
        with tf.autodiff.ForwardAccumulator(x, tf.ones_like(x)) as acc:
            h = tf.tanh(x @ w)
        loss = tf.reduce_mean(acc.jvp(h) ** 2) + tf.reduce_mean((tf.stop_gradient(h) @ v - y) ** 2)
    opt.apply_gradients(zip(tape.gradient(loss, [w, v]), [w, v]))
