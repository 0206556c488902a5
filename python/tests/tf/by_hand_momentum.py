# expect: nothing
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((8, 4)), tf.random.uniform((8, 1))
w, v = tf.Variable(tf.random.normal((4, 3))), tf.Variable(tf.random.normal((3, 1)))
opt = keras.optimizers.SGD(1e-2)

m = [tf.Variable(tf.zeros_like(p), trainable=False) for p in (w, v)]
for _ in range(6):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((x @ w @ v - y) ** 2)
    for p, s, g in zip((w, v), m, tape.gradient(loss, (w, v))):
        s.assign(0.9 * s + g)
        p.assign(p - 0.1 * s)
