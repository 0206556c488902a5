# expect: nothing
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((16, 4)), tf.random.uniform((16, 1))
base = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.BatchNormalization()])
base.trainable = False
inputs = keras.Input((4,))
net = keras.Model(inputs, keras.layers.Dense(1)(base(inputs, training=False)))
net.compile(keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True, weight_decay=1e-3), "mse")
net.fit(x, y, epochs=4, batch_size=8, verbose=0)
