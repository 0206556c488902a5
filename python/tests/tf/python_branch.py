# expect: DG0303 gate
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((16, 4)), tf.random.uniform((16, 1))

w, gate = tf.Variable(tf.random.normal((4, 1))), tf.Variable(0.5)
opt = keras.optimizers.SGD(0.01)
for k in range(5):
    with tf.GradientTape() as tape:
        h = x @ w
        if gate > 0:  # here
            h = h * 2
        loss = tf.reduce_mean((h - y) ** 2)
    opt.apply_gradients(zip(tape.gradient(loss, [w, gate]), [w, gate]))
