/* What opens the files of a checkpoint and what finds tensors in them share. */
#ifndef MODEL_TENSORSOWN_H
#define MODEL_TENSORSOWN_H

#include "../format/safetensors.h"
#include "tensors.h"

struct file {
	char *name; /* with the folder */
	unsigned char *p;
	size_t n;
	struct array_list l;
};

struct entry {
	const struct array *a;
	const struct file *file;
	void *copy; /* its data where that lay unaligned */
	int found;
};

struct tensors {
	char *dir;
	struct file *file;
	size_t nfiles;
	struct entry *entry; /* by name */
	size_t n;
};

#endif
