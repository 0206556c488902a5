"""TensorFlow: one tf.function with the resource adam kernel. The layered models only."""
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow as tf

import models


def layered(model, p, x):
    _, _, scale, layers = models.LAYERED[model]
    h = x / scale if scale != 1 else x
    for kind, *layer in layers:
        if kind == "fc":
            h = tf.nn.bias_add(tf.matmul(h, p[layer[0] + ".w"]), p[layer[0] + ".b"])
        elif kind == "conv":
            h = tf.nn.conv2d(h, p[layer[0] + ".w"], 1, "SAME" if layer[4] else "VALID")
            h = tf.nn.bias_add(h, p[layer[0] + ".b"])
        elif kind == "flat":
            h = tf.reshape(h, [h.shape[0], -1])
        else:
            h = tf.nn.relu(h) if kind == "relu" else tf.nn.max_pool2d(h, 2, 2, "VALID")
    return h


class Tf:
    def __init__(self, model, threads, library, isa, params):
        if model == "gpt":
            raise ImportError("the GPT core is not written in TensorFlow")
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        x, y, p = models.channels_last(model, params)
        V, M, S = ({k: tf.Variable(a * f) for k, a in p.items()} for f in (1, 0, 0))
        b1, b2 = tf.Variable(models.B1), tf.Variable(models.B2)
        self.x, self.y = tf.constant(x), tf.constant(y)

        @tf.function
        def step(x, y):
            with tf.GradientTape() as tape:
                h = layered(model, V, x)
                l = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, h))
            for k, g in zip(V, tape.gradient(l, list(V.values()))):
                tf.raw_ops.ResourceApplyAdam(var=V[k].handle, m=M[k].handle, v=S[k].handle, beta1_power=b1, beta2_power=b2,
                                             lr=models.rate(model), beta1=models.B1, beta2=models.B2, epsilon=models.EPS, grad=g)
            b1.assign(b1 * models.B1)
            b2.assign(b2 * models.B2)
            return l

        self.step = step
        self.version = "tensorflow " + tf.__version__

    def run(self, n):
        for _ in range(n):
            l = self.step(self.x, self.y)
        return float(l.numpy())
