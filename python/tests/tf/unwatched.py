# expect: DG0303 w
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((8, 4)), tf.random.uniform((8, 1))
w = tf.Variable(tf.random.normal((4, 3)))  # here
v = tf.Variable(tf.random.normal((3, 1)))
opt = keras.optimizers.Adam(0.1)
for _ in range(4):
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(v)
        loss = tf.reduce_mean((tf.tanh(x @ w) @ v - y) ** 2)
    opt.apply_gradients(zip(tape.gradient(loss, [w, v]), [w, v]))
