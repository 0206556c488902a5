# expect: DG0303 w
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((16, 4)), tf.random.uniform((16, 1))

w, v = keras.Variable(tf.random.normal((4, 3))), keras.Variable(tf.random.normal((3, 1)))
opt = keras.optimizers.SGD(0.01)
for k in range(5):
    with tf.GradientTape() as tape:
        h = keras.ops.convert_to_numpy(keras.ops.matmul(x, w))  # here
        loss = keras.ops.mean((keras.ops.matmul(h, v) - y) ** 2)
    opt.apply(tape.gradient(loss, [w, v]), [w, v])
