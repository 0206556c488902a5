# expect: DG0303 policy.kernel policy.bias
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x = tf.random.uniform((8, 4))
policy, value = keras.layers.Dense(3), keras.layers.Dense(1)  # here
opt = keras.optimizers.Adam(0.01)


def step_loss():
    action = tf.random.categorical(policy(x), 1)  # here
    return tf.reduce_mean((value(tf.cast(action, tf.float32)) - 1) ** 2)


for _ in range(4):
    with tf.GradientTape() as tape:
        loss = step_loss()
    variables = policy.trainable_variables + value.trainable_variables
    opt.apply_gradients(zip(tape.gradient(loss, variables), variables))
