# expect: nothing
import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
x, y = tf.random.uniform((16, 8, 8, 1)), tf.random.uniform((16,), maxval=3, dtype=tf.int32)
net = keras.Sequential([
    keras.layers.Conv2D(4, 3, padding="same", activation="relu"),
    keras.layers.MaxPooling2D(),
    keras.layers.DepthwiseConv2D(3, strides=2, padding="same"),
    keras.layers.LayerNormalization(),
    keras.layers.GlobalAveragePooling2D(),
    keras.layers.Dense(3),
])
net.compile("adamw", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
net.fit(x, y, epochs=4, batch_size=8, verbose=0)
