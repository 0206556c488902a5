# expect: DG0303 w
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((8, 4)), tf.random.uniform((8, 1))
w, v = tf.Variable(tf.random.normal((4, 3))), tf.Variable(tf.random.normal((3, 1)))  # here
kept = tf.Variable(tf.zeros((8, 3)), trainable=False)
opt = keras.optimizers.Adam(0.01)
for _ in range(5):
    with tf.GradientTape() as tape:
        kept.assign(tf.tanh(x @ w))  # here
        loss = tf.reduce_mean((kept @ v - y) ** 2)
    opt.apply_gradients(zip(tape.gradient(loss, [w, v]), [w, v]))
