# expect: nothing
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((8, 6), maxval=12, dtype=tf.int32), tf.random.uniform((8, 6), maxval=12, dtype=tf.int32)
tokens = keras.Input((6,), dtype="int32")
table = keras.layers.Embedding(12, 8)
h = table(tokens)
attended = keras.layers.MultiHeadAttention(2, 4)(h, h, use_causal_mask=True)
h = keras.layers.LayerNormalization()(h + attended)
h = keras.layers.LayerNormalization()(h + keras.layers.Dense(8)(keras.layers.Dense(16, "gelu")(h)))
net = keras.Model(tokens, keras.layers.Dense(12)(h))
net.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
net.fit(x, y, epochs=4, batch_size=4, verbose=0)
