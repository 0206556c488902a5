# expect: nothing
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((8, 4)), tf.random.uniform((8, 2))
w, v = tf.Variable(tf.random.normal((4, 3))), tf.Variable(tf.random.normal((3, 2)))
opt = keras.optimizers.Adam(1e-2)


def step_loss():
    noise = -tf.math.log(-tf.math.log(tf.random.uniform((8, 3), 1e-6, 1.0)))
    soft = tf.nn.softmax((x @ w + noise) / 0.5, axis=1)
    hard = tf.cast(tf.equal(soft, tf.reduce_max(soft, axis=1, keepdims=True)), tf.float32)
    return tf.reduce_mean(((tf.stop_gradient(hard - soft) + soft) @ v - y) ** 2)


for _ in range(4):
    with tf.GradientTape() as tape:
        loss = step_loss()
    variables = [w, v]
    opt.apply_gradients(zip(tape.gradient(loss, variables), variables))
