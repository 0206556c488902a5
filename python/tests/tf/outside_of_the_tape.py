# expect: DG0303 encoder.kernel encoder.bias
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((8, 4)), tf.random.uniform((8, 1))
encoder = keras.layers.Dense(4, activation="tanh")  # here
head = keras.layers.Dense(1)
opt = keras.optimizers.SGD(0.1)
for _ in range(4):
    h = encoder(x)  # here
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((head(h) - y) ** 2)
    variables = encoder.trainable_variables + head.trainable_variables
    grads = tape.gradient(loss, variables)
    opt.apply_gradients(zip(grads, variables))
