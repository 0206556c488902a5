# expect: DG0304 b
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((8, 3)), tf.random.uniform((8, 1))
w = tf.Variable(tf.random.normal((3, 1)))
b = tf.Variable(tf.zeros(1))  # here
for _ in range(6):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((x @ w + b - y) ** 2)
    w.assign_sub(0.1 * tape.gradient(loss, w))  # here
