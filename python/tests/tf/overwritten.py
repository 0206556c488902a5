# expect: DG0311 w
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((8, 3)), tf.random.uniform((8, 1))
w, start = tf.Variable(tf.random.normal((3, 1))), tf.random.normal((3, 1))
b = tf.Variable(tf.zeros(1))
opt = keras.optimizers.SGD(0.1)
for _ in range(6):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((x @ w + b - y) ** 2)
    opt.apply_gradients(zip(tape.gradient(loss, [w, b]), [w, b]))
    w.assign(start)  # here
