# expect: nothing
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((16, 4)), tf.random.uniform((16, 1))


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.blocks = [keras.layers.Dense(4, "gelu") for _ in range(2)]
        self.head = keras.layers.Dense(1)
        self.seen = keras.metrics.Mean(name="loss")

    def call(self, x):
        for block in self.blocks:
            x = x + block(x)
        return self.head(x)

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(keras.losses.mean_squared_error(y, self(x, training=True)))
        grads, _ = tf.clip_by_global_norm(tape.gradient(loss, self.trainable_variables), 1.0)
        self.optimizer.apply_gradients(zip(grads, self.trainable_variables))
        self.seen.update_state(loss)
        return {"loss": self.seen.result()}


net = Net()
rate = keras.optimizers.schedules.CosineDecay(0.0, 100, warmup_target=1e-2, warmup_steps=10)
net.compile(keras.optimizers.Adam(rate, clipnorm=1.0))
net.fit(x, y, epochs=4, batch_size=8, verbose=0)
