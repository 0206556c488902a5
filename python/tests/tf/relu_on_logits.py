# expect: nothing
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, labels = tf.random.normal((16, 20)), tf.random.uniform((16,), maxval=10, dtype=tf.int32)
w1, b1 = tf.Variable(tf.random.normal((20, 32), stddev=0.3)), tf.Variable(tf.fill([32], 0.1))
w2, b2 = tf.Variable(tf.random.normal((32, 10), stddev=0.3)), tf.Variable(tf.fill([10], 0.1))
opt = keras.optimizers.Adam(1e-2)


def step_loss():
    z = tf.nn.relu(tf.nn.relu(x @ w1 + b1) @ w2 + b2)
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, z))


for _ in range(4):
    with tf.GradientTape() as tape:
        loss = step_loss()
    variables = [w1, b1, w2, b2]
    opt.apply_gradients(zip(tape.gradient(loss, variables), variables))
