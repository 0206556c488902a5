# expect: DG0303 kernel bias
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, mask = tf.random.uniform((1, 6, 6, 3)), tf.round(tf.random.uniform((1, 6, 6)))
conv = keras.layers.Conv2D(2, 1)  # here
opt = keras.optimizers.Adam(0.01)


def step_loss():
    h = tf.cast(tf.argmax(conv(x), axis=3), tf.float32)  # here
    return 1 - 2 * tf.reduce_sum(h * mask) / (tf.reduce_sum(h) + tf.reduce_sum(mask) + 1e-5)


for _ in range(4):
    with tf.GradientTape() as tape:
        loss = step_loss()
    variables = conv.trainable_variables
    opt.apply_gradients(zip(tape.gradient(loss, variables), variables))
