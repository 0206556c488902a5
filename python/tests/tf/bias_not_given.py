# expect: DG0304 b
import tensorflow as tf
import keras

tf.random.set_seed(1)
x, y = tf.random.uniform((8, 2)), tf.random.uniform((8, 1))
w = tf.Variable(tf.random.normal((2, 1)))
b = tf.Variable(tf.zeros(1))  # here
opt = keras.optimizers.Adam(0.1)


def step():
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((x @ w + b - y) ** 2)
    grads = tape.gradient(loss, [w])
    opt.apply_gradients(zip(grads, [w]))  # here


for _ in range(4):
    step()
