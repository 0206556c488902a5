# expect: DG0303 w b
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((8, 4)), tf.random.uniform((8, 2))
w, b = tf.Variable(tf.random.normal((4, 6))), tf.Variable(tf.zeros(6))  # here
wo, bo = tf.Variable(tf.random.normal((6, 2))), tf.Variable(tf.zeros(2))
opt = keras.optimizers.SGD(0.1)


def activation(a):
    return a * (a > 0)


def step_loss():
    h = tf.numpy_function(activation, [x @ w + b], tf.float32)  # here
    return tf.reduce_mean((h @ wo + bo - y) ** 2)


for _ in range(4):
    with tf.GradientTape() as tape:
        loss = step_loss()
    variables = [w, b, wo, bo]
    opt.apply_gradients(zip(tape.gradient(loss, variables), variables))
