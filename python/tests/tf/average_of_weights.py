# expect: nothing
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((8, 4)), tf.random.uniform((8, 1))
w, b = tf.Variable(tf.random.normal((4, 1))), tf.Variable(tf.zeros(1))
mean = [tf.Variable(v) for v in (w, b)]
opt = keras.optimizers.RMSprop(1e-2)
for _ in range(6):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((x @ w + b - y) ** 2)
    opt.apply_gradients(zip(tape.gradient(loss, [w, b]), [w, b]))
    for m, v in zip(mean, (w, b)):
        m.assign(0.9 * m + 0.1 * v)
    print(float(tf.reduce_sum(mean[0])))
