# expect: nothing
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((8, 4)), tf.random.uniform((8, 1))
w, v = tf.Variable(tf.random.normal((4, 3))), tf.Variable(tf.random.normal((3, 1)))
opt = keras.optimizers.SGD(1e-2)

fixed = w.read_value()
for _ in range(4):
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(w)
        loss = tf.reduce_mean((x @ w @ v - y) ** 2)
        reg = tf.reduce_mean((w - fixed) ** 2)
        total = loss + reg
    g = tape.gradient(total, [w, v])
    g2 = tape.gradient(reg, [w])
    opt.apply_gradients(zip(g, [w, v]))
