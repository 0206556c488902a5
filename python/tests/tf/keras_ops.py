# expect: nothing
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((8, 4)), tf.random.uniform((8, 1))
w, v = tf.Variable(tf.random.normal((4, 3))), tf.Variable(tf.random.normal((3, 1)))
opt = keras.optimizers.SGD(1e-2)


def step_loss():
    from keras import ops
    h = ops.relu(ops.matmul(x, w))
    h = ops.concatenate([h, ops.sin(h)], axis=1)[:, :3] + ops.stop_gradient(h)
    return ops.mean(ops.square(ops.dot(h, v) - y))


for _ in range(4):
    with tf.GradientTape() as tape:
        loss = step_loss()
    variables = [w, v]
    opt.apply_gradients(zip(tape.gradient(loss, variables), variables))
