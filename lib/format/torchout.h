/* A torch file written: the zip of a dict, as torch.load reads it. */
#ifndef TORCHOUT_H
#define TORCHOUT_H

#include <stddef.h>
#include <stdint.h>

enum torch_kind { TORCH_INT, TORCH_STR, TORCH_LIST, TORCH_I64, TORCH_F32 };

struct torch_item {
	const char *key;
	enum torch_kind kind;
	int64_t i;
	const char *s;    /* TORCH_STR; TORCH_LIST: its texts, each NUL-ended */
	size_t n;         /* TORCH_LIST: their number */
	const void *data; /* tensors: contiguous, little-endian */
	int ndim;         /* 1 or 2 */
	uint64_t dim[2];
};

/* Write the n items in that order through put; root is the folder inside (the
 * name of the file without directory and suffix).  0 or -1. */
int torch_write(const char *root, const struct torch_item *it, size_t n,
		int (*put)(void *arg, const void *p, size_t n), void *arg);

#endif
