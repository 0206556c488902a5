# expect: nothing
import tensorflow as tf
import tf_keras as keras

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((32, 4)), tf.random.uniform((32,), maxval=3, dtype=tf.int32)
net = keras.Sequential([keras.layers.Dense(16, use_bias=False), keras.layers.BatchNormalization(), keras.layers.Dropout(0.1), keras.layers.Dense(3, "softmax")])
net.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
net.fit(x, y, epochs=4, batch_size=8, verbose=0)
