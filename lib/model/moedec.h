/*
 * The decoder of router-bench.md A6 and its parts: a router alone, a Transformer
 * decoder, one with a Mixture of Experts in each block.  Here are its sizes, its
 * tensors by name, and where their values come from.
 *
 * A block is x + attention(norm(x)), then x + mlp(norm(x)); norms are RMSNorm, the
 * multilayer perceptrons SwiGLU, the output product is the embedding once more.
 */
#ifndef MOEDEC_H
#define MOEDEC_H

#include <stddef.h>
#include <stdint.h>

#include "../format/array.h"

enum moedec_kind { MOEDEC_ROUTER, MOEDEC_MOE, MOEDEC_DENSE };
enum moedec_rule { MOEDEC_TOPK, MOEDEC_SINKHORN };

enum { MOEDEC_ERR = 512, MOEDEC_NAME = 80 };

#define MOEDEC_EPS 1e-6f /* of norms and of Sinkhorn's sums */

/* All that makes a model but its weights; what its kind does not have is not looked at. */
struct moedec {
	uint64_t kind, rule; /* enum moedec_kind, moedec_rule */
	uint64_t vocab, d_model, heads, layers, hidden, max_len;
	uint64_t experts, topk, iterations;
	uint64_t learned; /* positions are rows of a tensor, not rotations */
	double temperature;
};

/* The words of kind and rule, and the names of the sizes, as metadata has them. */
extern const char *const moedec_kinds[], *const moedec_rules[];

struct moedec_size {
	const char *name;
	size_t at; /* of a uint64_t in struct moedec */
};
extern const struct moedec_size moedec_sizes[];
extern const size_t moedec_nsizes;

/* Where values come from: a checkpoint or a seed, but the tables of the rotation. */
enum moedec_role { MOEDEC_MATRIX, MOEDEC_NORM, MOEDEC_COS, MOEDEC_SIN };

struct moedec_tensor {
	char name[MOEDEC_NAME]; /* "layers.0.experts.3.w1.weight" */
	enum moedec_role role;
	int ndim;
	uint64_t dim[2]; /* [rows, columns]; the one size of a norm, and then 1 */
	uint64_t index;
};

/* Do the sizes fit together?  0, or -1 and err. */
int moedec_check(const struct moedec *m, char err[MOEDEC_ERR]);
/* The i-th tensor: 1, or 0 past the last. */
int moedec_tensor(const struct moedec *m, uint64_t i, struct moedec_tensor *t);
/* The index of a layer's first tensor, and of the final norm as layer m->layers.  A
 * layer's are norm1, qkv, out, norm2, then w1 w3 w2, or the router and w1 w3 w2 of
 * each expert. */
uint64_t moedec_layer(const struct moedec *m, uint64_t layer);

/* Rows [first, first + n) of a tensor.  Matrices are uniform in +-sqrt(3 / columns),
 * so that they keep the variance of what they are multiplied with; norms are 1;
 * rotation i of position p is by the angle p 10000^(-2i / (d_model / heads)). */
void moedec_draw(const struct moedec *m, const struct moedec_tensor *t, uint64_t seed,
		 uint64_t first, uint64_t n, float *to);

/* From the shapes of a checkpoint's tensors the sizes of m that are 0; what no
 * tensor tells stays 0. */
void moedec_sizes_of(struct moedec *m, const struct array_list *l);
/* The array of a tensor: 1; 0: it is in no checkpoint (the tables of the rotation);
 * -1 and err: it is missing, misshapen or no number. */
int moedec_find(const struct array_list *l, const struct moedec_tensor *t, const struct array **a,
		char err[MOEDEC_ERR]);
/* Has the checkpoint all that m wants, and no more?  0, or -1 and err. */
int moedec_match(const struct moedec *m, const struct array_list *l, char err[MOEDEC_ERR]);

#endif
