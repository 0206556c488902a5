# expect: nothing
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((8, 5), maxval=20, dtype=tf.int32), tf.round(tf.random.uniform((8, 1)))
net = keras.Sequential([
    keras.layers.Embedding(20, 6),
    keras.layers.Bidirectional(keras.layers.LSTM(4, return_sequences=True)),
    keras.layers.GRU(3),
    keras.layers.Dense(1, "sigmoid"),
])
net.compile("rmsprop", "binary_crossentropy")
net.fit(x, y, epochs=4, batch_size=4, verbose=0)
