# expect: DG0704
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.constant([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]]), tf.constant([1.0, 2.0, 3.0])
w = tf.Variable(tf.random.normal((2, 1)))
opt = keras.optimizers.Adam(1e-4)


def step_loss():
    return tf.reduce_mean((y - x @ w) ** 2)  # here


for _ in range(4):
    with tf.GradientTape() as tape:
        loss = step_loss()
    variables = [w]
    opt.apply_gradients(zip(tape.gradient(loss, variables), variables))
