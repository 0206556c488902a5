# expect: nothing
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((16, 4)), tf.random.uniform((16, 1))
net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "silu"), keras.layers.Dense(1)])
opt = keras.optimizers.SGD(0.1)
total = [tf.Variable(tf.zeros_like(v), trainable=False) for v in net.trainable_variables]
for k in range(8):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((net(x[8 * (k % 2):8 * (k % 2) + 8]) - y[8 * (k % 2):8 * (k % 2) + 8]) ** 2)
    for t, g in zip(total, tape.gradient(loss, net.trainable_variables)):
        t.assign_add(g)
    if k % 2 == 1:
        opt.apply_gradients(zip(total, net.trainable_variables))
        for t in total:
            t.assign(tf.zeros_like(t))
