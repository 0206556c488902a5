# expect: DG0304 b
import tensorflow as tf
import tf_keras as keras

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((32, 4)), tf.random.uniform((32, 1))
w, b = tf.Variable(tf.random.normal((4, 1))), tf.Variable([0.0])
opt = keras.optimizers.RMSprop(0.01)
for _ in range(5):
    opt.minimize(lambda: tf.reduce_mean((x @ w + b - y) ** 2), [w])  # here
