# expect: DG0310
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((8, 4)), tf.random.uniform((8, 1))
w = tf.Variable(tf.random.normal((4, 1)))
opt = keras.optimizers.SGD(0.1)


def step_loss():
    penalty = tf.stop_gradient(tf.reduce_sum(w ** 2))  # here
    return tf.reduce_mean((x @ w - y) ** 2) + 0.1 * penalty


for _ in range(4):
    with tf.GradientTape() as tape:
        loss = step_loss()
    variables = [w]
    opt.apply_gradients(zip(tape.gradient(loss, variables), variables))
