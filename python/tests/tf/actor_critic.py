# expect: nothing
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
s = tf.random.normal((8, 4))
actor, critic = keras.layers.Dense(3), keras.layers.Dense(1)
a_opt, c_opt = keras.optimizers.Adam(0.01), keras.optimizers.Adam(0.01)
for k in range(6):
    with tf.GradientTape(persistent=True) as tape:
        logits, value = actor(s), critic(s)[:, 0]
        action = tf.random.categorical(logits, 1)[:, 0]
        r = tf.cast(action, tf.float32)
        adv = r - value
        c_loss = tf.reduce_mean(adv ** 2)
        a_loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(action, logits) * tf.stop_gradient(adv))
    a_opt.apply_gradients(zip(tape.gradient(a_loss, actor.trainable_variables), actor.trainable_variables))
    c_opt.apply_gradients(zip(tape.gradient(c_loss, critic.trainable_variables), critic.trainable_variables))
