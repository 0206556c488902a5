# expect: DG0303 w1 b1 w2 b2
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((8, 4)), tf.round(tf.random.uniform((8, 1)))
w1, b1 = tf.Variable(tf.random.normal((4, 8))), tf.Variable(tf.zeros(8))
w2, b2 = tf.Variable(tf.random.normal((8, 1))), tf.Variable(tf.zeros(1))
opt = keras.optimizers.SGD(0.1, momentum=0.9)


def step_loss():
    p = tf.sigmoid(tf.tanh(x @ w1 + b1) @ w2 + b2)
    return tf.reduce_mean((tf.round(p) - y) ** 2)  # here


for _ in range(4):
    with tf.GradientTape() as tape:
        loss = step_loss()
    variables = [w1, b1, w2, b2]
    opt.apply_gradients(zip(tape.gradient(loss, variables), variables))
