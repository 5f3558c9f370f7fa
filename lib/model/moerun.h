/*
 * The forward pass of the decoder in plain loops of f32: what a graph made by
 * moegraph.h is compared with.
 */
#ifndef MOERUN_H
#define MOERUN_H

#include <stddef.h>
#include <stdint.h>

#include "moedec.h"

enum moerun_error { MOERUN_ENOMEM = -1, MOERUN_EID = -2, MOERUN_ELONG = -3 };

/* w[i] is the data of the i-th tensor of m, row-major; all memory is the caller's.
 *
 * Logits [batch, seq, vocab] of ids [batch, seq]: 0; MOERUN_EID: an id that is not
 * in the vocabulary; MOERUN_ELONG: seq is above max_len; MOERUN_ENOMEM. */
int moerun_logits(const struct moedec *m, const float *const *w, const int64_t *ids, size_t batch,
		  size_t seq, float *logits);

/* The picks [tokens, topk] of rows x [tokens, d_model], best first, of equal ones the
 * lower expert first, and their weights: 0 or MOERUN_ENOMEM.  Under Sinkhorn a row's
 * picks depend on all rows. */
int moerun_route(const struct moedec *m, const float *router, const float *x, size_t tokens,
		 uint32_t *experts, float *weights);

#endif
