# expect: nothing
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x = tf.random.uniform((16, 6))


class Vae(keras.Model):
    def __init__(self):
        super().__init__()
        self.encoder = keras.layers.Dense(4)
        self.decoder = keras.layers.Dense(6, "sigmoid")

    def call(self, x):
        mean, spread = tf.split(self.encoder(x), 2, axis=1)
        self.add_loss(-0.5 * tf.reduce_mean(1 + spread - mean ** 2 - tf.exp(spread)))
        return self.decoder(mean + tf.exp(0.5 * spread) * tf.random.normal(tf.shape(mean)))


net = Vae()
net.compile("adam", "binary_crossentropy")
net.fit(x, x, epochs=4, batch_size=8, verbose=0)
