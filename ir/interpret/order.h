/* The order in which a reducing node adds: a pure function of op and logical shape, in this one place.
 * Interpreter and kernel lowering both follow it bit for bit; docs/numbers.md is its exact definition in
 * words. The attribute `order` of a node is 0, "the canonical order", which is what these functions give; no
 * other value is defined, and the verifier refuses it. */
#ifndef DG_IR_ORDER_H
#define DG_IR_ORDER_H

#include "ir/op.h"

typedef enum {
  ORDER_CHAIN,   /* one accumulator from +0, terms ascending */
  ORDER_LANES16, /* term k goes to partial k mod 16, all from +0; then partial i takes i+8, i+4, i+2, i+1 */
} OrderKind;

/* n terms in `chunks` pieces of `chunk` terms (the last may be shorter), each reduced by `kind`. One piece:
 * its total is the result. More: result = +0 + total 0 + total 1 + ..., ascending. */
typedef struct Order {
  OrderKind kind;
  int64_t n, chunks, chunk;
} Order;

enum {
  ORDER_LANES = 16,
  ORDER_LANES_CHUNK = 65536, /* terms of a lanes16 piece */
  ORDER_OUTER_ROWS = 4096,   /* terms of a chain piece of a sum over an outer axis, at most 16 pieces */
  ORDER_CONTRACT_K = 4096,   /* split K from here on when M*N is below ORDER_CONTRACT_MN */
  ORDER_CONTRACT_MN = 4096,
  ORDER_CONTRACT_PIECE = 2048,
  ORDER_PIECES = 16,
};

/* One axis of extent n; innermost: every axis behind it has extent 1. For SUM (and MEAN's sum). */
Order order_sum(int64_t n, bool innermost);
/* PROD: one chain from 1. */
Order order_prod(int64_t n);
/* The sum of softmax, log_softmax, logsumexp, cross_entropy along an axis. */
Order order_row(int64_t n, bool innermost);
/* CONTRACT: terms are fma(x[m, k], y[k, n], acc). */
Order order_contract(int64_t m, int64_t n, int64_t k, bool ta, bool tb);
/* CONV2D_DW: n = images; a term of this Order is a whole image, its oh*ow positions ascending, fma each. */
Order order_conv_dw(int64_t images, int64_t oh, int64_t ow);
/* CONV2D, CONV2D_DX and the pools have nothing to choose: one chain over the window, row-major. */

#endif
