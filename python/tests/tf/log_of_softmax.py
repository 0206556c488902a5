# expect: DG0703 w b
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.normal((4, 10)), tf.one_hot([0, 1, 2, 0], 3)
w, b = tf.Variable(tf.random.normal((10, 3), stddev=60.0)), tf.Variable(tf.zeros(3))
opt = keras.optimizers.Adam(1e-4)


def step_loss():
    return -tf.reduce_sum(y * tf.math.log(tf.nn.softmax(x @ w + b, axis=1)))


for _ in range(4):
    with tf.GradientTape() as tape:
        loss = step_loss()
    variables = [w, b]
    opt.apply_gradients(zip(tape.gradient(loss, variables), variables))
