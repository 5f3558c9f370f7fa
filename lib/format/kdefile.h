/* KDE tables as pickles: their names, what makes them sound, the writer. */
#ifndef KDEFILE_H
#define KDEFILE_H

#include <stddef.h>
#include <stdint.h>

enum { KDE_TEXT = 1024, KDE_KERNELS = 4 };

/* gaussian, tophat, epanechnikov, linear: the order of the tables in a trace. */
extern const char *const kde_kernels[KDE_KERNELS];

/* [MODEL_]distribution_model_layer_L[_KERNEL][_trimmed_N].pkl */
struct kde_name {
	char model[KDE_TEXT]; /* "" none */
	uint64_t layer, trim; /* TR_NONE: not said; trim: logits left out on each side */
	int kernel;           /* place in kde_kernels, -1: not said */
};

/* What the last part of path says: 1, or 0 and all is unsaid. */
int kde_name_read(struct kde_name *n, const char *path);
/* The name into buf: 0, or -1 where it does not fit.  A trim of 0, and the
 * gaussian of a trimmed table, are not spelt out; a slash becomes _. */
int kde_name_text(const struct kde_name *n, char *buf, size_t size);
/* Place of a kernel, or -1. */
int kde_kernel(const char *name);

/* At least 2 points, all finite, x rising, cdf in [0, 1] and not falling, but
 * for 1e-12: 0, or -1 and the reason in err. */
int kde_check(const double *x, const double *cdf, uint64_t n, char *err, size_t size);

/* The bytes that Python writes, protocol 4, for {'x': x, 'cdf': cdf}: malloced,
 * *size of them; NULL: no memory, or n is above 2^27. */
unsigned char *kde_pickle(const double *x, const double *cdf, uint64_t n, size_t *size);

#endif
