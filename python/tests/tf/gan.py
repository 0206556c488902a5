# expect: nothing
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
real = tf.random.normal((8, 4))
g = keras.Sequential([keras.layers.Dense(8, "relu"), keras.layers.Dense(4)])
d = keras.Sequential([keras.layers.Dense(8, "relu"), keras.layers.Dense(1)])
g_opt, d_opt = keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3)
bce = keras.losses.BinaryCrossentropy(from_logits=True)
for _ in range(5):
    z = tf.random.normal((8, 3))
    with tf.GradientTape() as g_tape, tf.GradientTape() as d_tape:
        fake = g(z)
        on_real, on_fake = d(real), d(fake)
        g_loss = bce(tf.ones_like(on_fake), on_fake)
        d_loss = bce(tf.ones_like(on_real), on_real) + bce(tf.zeros_like(on_fake), on_fake)
    g_grads = g_tape.gradient(g_loss, g.trainable_variables)
    d_grads = d_tape.gradient(d_loss, d.trainable_variables)
    g_opt.apply_gradients(zip(g_grads, g.trainable_variables))
    d_opt.apply_gradients(zip(d_grads, d.trainable_variables))
