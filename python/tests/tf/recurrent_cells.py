# expect: nothing
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((8, 5, 3)), tf.random.uniform((8, 1))
net = keras.Sequential([keras.layers.Masking(), keras.layers.LSTM(4, return_sequences=True, dropout=0.1), keras.layers.TimeDistributed(keras.layers.Dense(3)),
    keras.layers.SimpleRNN(4, return_sequences=True), keras.layers.RNN(keras.layers.GRUCell(3)), keras.layers.Dense(1)])
net.compile("adam", "mse")
net.fit(x, y, epochs=4, batch_size=4, verbose=0)
