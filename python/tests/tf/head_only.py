# expect: DG0304 dense.kernel dense.bias
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((16, 4)), tf.random.uniform((16, 1))

first, head = keras.layers.Dense(4, "relu"), keras.layers.Dense(1)
net = keras.Sequential([first, head])
net.build((None, 4))
opt = keras.optimizers.Adam(0.01)
for _ in range(5):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((net(x) - y) ** 2)
    opt.apply_gradients(zip(tape.gradient(loss, head.trainable_variables), head.trainable_variables))  # here
