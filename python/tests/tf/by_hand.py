# expect: nothing
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((8, 3)), tf.random.uniform((8, 1))


class Line(tf.Module):
    def __init__(self):
        super().__init__()
        self.w = tf.Variable(tf.random.normal((3, 1)))
        self.b = tf.Variable(tf.zeros(1))

    def __call__(self, x):
        return x @ self.w + self.b


line = Line()


@tf.function
def step():
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((line(x) - y) ** 2)
    for v, g in zip(line.trainable_variables, tape.gradient(loss, line.trainable_variables)):
        v.assign_sub(0.1 * g)
    return loss


for _ in range(8):
    print(step().numpy())
