# expect: DG0303 w
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((16, 4)), tf.random.uniform((16, 1))

w, v = tf.Variable(tf.random.normal((4, 3))), tf.Variable(tf.random.normal((3, 1)))
opt = keras.optimizers.SGD(0.01)
for k in range(5):
    with tf.GradientTape() as tape:
        m = w.numpy() * 2  # here
        loss = tf.reduce_mean((x @ m @ v - y) ** 2)
    opt.apply_gradients(zip(tape.gradient(loss, [w, v]), [w, v]))
