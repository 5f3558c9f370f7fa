/*
 * Tensors of a checkpoint by name: DIR/model.safetensors, or the files that
 * DIR/model.safetensors.index.json names; mapped, read where they are used.
 */
#ifndef MODEL_TENSORS_H
#define MODEL_TENSORS_H

#include "../core/moetrace.h"
#include "config.h"

struct tensors;

/* Lent by tensors; data is aligned to its elements. */
struct tensor {
	const char *file, *name;
	enum tr_type type;   /* TR_F32, TR_F16, TR_BF16 */
	int mapped;          /* data lies in the file: 0 where a family makes its own */
	const void *data;    /* row-major */
	uint64_t rows, cols; /* of a vector: rows 1; of more than two dimensions: all but the
			      * last are rows */
};

/* *t is the caller's, for tensors_close.  0, or -1 and why [MODEL_WHY]. */
int tensors_open(struct tensors **t, const char *dir, char *why);
void tensors_close(struct tensors *t); /* NULL is fine */

/* The first of "model.norm.weight|norm.weight" that is there, of that shape: dim [ndim],
 * ndim 1 .. 3.  1; 0 where there is none of them; -1 and why ("FILE: NAME: shape 4x5, not
 * 4x6", a type that is not read). */
int tensors_find(struct tensors *t, const char *names, int ndim, const uint64_t *dim,
		 struct tensor *x, char *why);
/* The same for a matrix [rows][cols], rows 0: a vector [cols], that must be there: 0, or
 * -1 and why. */
int tensors_need(struct tensors *t, const char *names, uint64_t rows, uint64_t cols,
		 struct tensor *x, char *why);

/* A found tensor that holds NaN or infinity: 1 and why, or 0. */
int tensors_bad(const struct tensors *t, char *why);

/* Rows [first, first + n) as f32 into to [n][cols]. */
void tensor_f32(const struct tensor *x, uint64_t first, uint64_t n, float *to);
/* Its pages are not needed soon; they come back where they are read. */
void tensor_forget(const struct tensor *x);

#endif
