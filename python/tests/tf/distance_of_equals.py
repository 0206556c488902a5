# expect: DG0316; DG0703 w
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
a = tf.random.uniform((4, 6))
c = tf.concat([a[:1], tf.random.uniform((3, 6))], 0)
y = tf.constant([1.0, 0.0, 1.0, 0.0])
w = tf.Variable(tf.random.normal((6, 3)))
opt = keras.optimizers.RMSprop(1e-3)


def step_loss():
    d = tf.sqrt(tf.reduce_sum((a @ w - c @ w) ** 2, axis=1))  # here
    return tf.reduce_mean(y * d + (1 - y) * tf.nn.relu(1 - d))


for _ in range(4):
    with tf.GradientTape() as tape:
        loss = step_loss()
    variables = [w]
    opt.apply_gradients(zip(tape.gradient(loss, variables), variables))
