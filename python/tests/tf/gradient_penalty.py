# expect: nothing
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
real, fake = tf.random.normal((8, 4)), tf.random.normal((8, 4)) + 1
critic = keras.Sequential([keras.layers.Dense(8, "tanh"), keras.layers.Dense(1)])
opt = keras.optimizers.Adam(1e-4, beta_1=0.5)
for _ in range(4):
    mix = tf.random.uniform((8, 1))
    between = mix * real + (1 - mix) * fake
    with tf.GradientTape() as tape:
        with tf.GradientTape() as inner:
            inner.watch(between)
            score = critic(between)
        slope = tf.sqrt(tf.reduce_sum(inner.gradient(score, between) ** 2, axis=1) + 1e-12)
        loss = tf.reduce_mean(critic(fake)) - tf.reduce_mean(critic(real)) + 10 * tf.reduce_mean((slope - 1) ** 2)
    variables = critic.trainable_variables
    opt.apply_gradients(zip(tape.gradient(loss, variables), variables))
