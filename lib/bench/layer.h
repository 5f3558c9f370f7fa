/*
 * A layer's experts, timed on a device: rows gathered by expert, through each one's
 * feed-forward network, back to their tokens with their weights.
 */
#ifndef LAYER_H
#define LAYER_H

#include "dev.h"

enum layer_strategy { /* as k_ffn numbers them */
		      LAYER_OURS,
		      LAYER_LOOP,            /* three products an expert */
		      LAYER_GROUPED_LIBRARY, /* the library's product of all experts at once */
		      LAYER_STRATEGIES,
};
extern const char *const layer_names[LAYER_STRATEGIES];

enum layer_stage {
	LAYER_GATHER,
	LAYER_FFN,
	LAYER_COMBINE,
	LAYER_ALL, /* the three, as one span */
	LAYER_STAGES,
};
extern const char *const layer_stages[LAYER_STAGES];

struct layer {
	/* the caller's */
	const struct dev *dev;
	int jobs;          /* threads of checks */
	struct ffn f;      /* experts, d, hidden, type */
	uint64_t rows;     /* tokens */
	uint32_t k;        /* picks of each */
	uint64_t seed;     /* of rows, logits and weights */
	uint32_t hot;      /* the first so many experts */
	double bias, zipf; /* as inputs.h has them */
	uint32_t empty;    /* the last so many are never picked */

	/* layer.c's own: on the host, then on the device, with f's weights */
	void *x;
	uint16_t *ids;
	float *w;
	struct index host, on;
	void *some[2]; /* numbers that weights repeat: of w1 and w3, of w2 */
	void *from, *packed, *out, *back, *work;
	float *won;
};

/* Bytes of all weights; UINT64_MAX where they do not fit 64 bits. */
uint64_t layer_bytes_weights(const struct layer *l);
/* Draw all and put it on the device.  0, or negative and dev_errstr. */
int layer_open(struct layer *l);
void layer_close(struct layer *l); /* also where layer_open failed */

/* Run a strategy's network once, so that what a library chooses at first is chosen: 0;
 * GPU_ABSENT where the device has it not, GPU_EUSE where it does not take the sizes. */
int layer_try(struct layer *l, enum layer_strategy a);
/* A call of a stage, enqueued; 0 or negative. */
int layer_call(struct layer *l, enum layer_strategy a, enum layer_stage b, void *stream);
/* Bytes that a call must read and write at least (of weights, those of experts that have
 * rows), and its operations. */
double layer_bytes(const struct layer *l, enum layer_stage b);
double layer_flops(const struct layer *l, enum layer_stage b);

/*
 * Is what layer_call(LAYER_ALL) leaves right?  Three rows of each expert that has rows, in
 * f64 by ffn_plain, within 2^-15 (f32), 2^-8 (f16) or 2^-5 (bf16) of the row's greatest
 * number; then, with experts that change nothing, that each token comes back as the sum of
 * itself times its weights, to the bit.  "ok" or what differs to check; 0 or negative.
 */
int layer_check(struct layer *l, enum layer_strategy a, char *check, size_t size);

/* Number i of an expert's gate and up, or down, weights, as they were drawn: n of them from
 * the first, of f.type.  For layer_check. */
void layer_weights(const struct layer *l, int which, uint32_t expert, void *to);

#endif
