# expect: nothing
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
s, s2, r = tf.random.normal((8, 4)), tf.random.normal((8, 4)), tf.random.normal((8,))
a = tf.random.uniform((8,), maxval=3, dtype=tf.int32)


def build():
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(16, "relu"), keras.layers.Dense(3)])


q, target = build(), build()
target.set_weights(q.get_weights())
opt = keras.optimizers.Adam(1e-3)


@tf.function
def step():
    best = tf.reduce_max(target(s2), axis=1)
    with tf.GradientTape() as tape:
        chosen = tf.reduce_sum(q(s) * tf.one_hot(a, 3), axis=1)
        loss = tf.reduce_mean((chosen - tf.stop_gradient(r + 0.99 * best)) ** 2)
    opt.apply_gradients(zip(tape.gradient(loss, q.trainable_variables), q.trainable_variables))
    return loss


for k in range(6):
    step()
    if k % 2 == 1:
        target.set_weights(q.get_weights())
