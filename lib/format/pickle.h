/*
 * Pickles read without running anything: a machine with a fixed table of the
 * globals that torch and numpy write.  What is not in the table is refused.
 */
#ifndef PICKLE_H
#define PICKLE_H

#include <stddef.h>

#include "array.h"

/*
 * Each appends the arrays and scalars of the n bytes at p to l: 0, or -1 and
 * l->err.  Dict keys and list places make the paths ("scores", "layer.3"); a
 * lone array is called ".".  o may be NULL.
 */
int pickle_read(struct array_list *l, const unsigned char *p, size_t n, const struct array_opts *o);
/* A torch file: the zip of 1.6 and later, and the sequence of pickles before. */
int torch_read(struct array_list *l, const unsigned char *p, size_t n, const struct array_opts *o);
int legacy_read(struct array_list *l, const unsigned char *p, size_t n, const struct array_opts *o);

/* The pickle behind a 0-d object .npy: one array under path, or none for None. */
int pickle_object0(struct array_list *l, const char *path, const unsigned char *p, size_t n,
		   const struct array_opts *o);

/* ---- between pickle.c and torch.c ---- */

struct store { /* a torch storage */
	const unsigned char *key;
	size_t nkey;
	enum array_type type;
	uint64_t count;            /* elements */
	const unsigned char *data; /* NULL until known */
	int swap;
};

struct ctx {
	struct array_list *l;
	const struct array_opts *o;
	const char *entry; /* put before messages, or "" */
	int legacy;        /* persistent ids have a sixth element, data come later */
	int depth;         /* of files embedded in strings */
	int object0;
	int swap;
	/* Fill s->data of a storage that is met for the first time; -1 and l->err. */
	int (*fetch)(struct ctx *c, struct store *s);
	void *arg;
	struct store *store;
	uint32_t nstore, cap;
	uint32_t *hash; /* of nhash places, store + 1 */
	uint32_t nhash;
};

struct pickle; /* the machine after it ran */

enum pickle_root { PICKLE_OTHER, PICKLE_INT, PICKLE_BIG, PICKLE_DICT, PICKLE_LIST, PICKLE_STORE };

/* Run the pickle at p; *used is the offset behind STOP.  NULL and l->err. */
struct pickle *pickle_run(struct ctx *c, const unsigned char *p, size_t n, size_t *used);
void pickle_free(struct pickle *m);
enum pickle_root pickle_root(const struct pickle *m);
/* The root as an integer, as bytes of a long, as a storage's number. */
int64_t pickle_int(const struct pickle *m);
const unsigned char *pickle_bytes(const struct pickle *m, size_t *n);
uint32_t pickle_store(const struct pickle *m);
/* Item key of a dict root as an integer: 1, 0 absent. */
int pickle_item(const struct pickle *m, const char *key, int64_t *i);
/* Place i of a list root as a string: 1, 0 past the end, -1 no string. */
int pickle_at(const struct pickle *m, size_t i, const unsigned char **s, size_t *n);
/* Append what hangs on the root, under path ("" at the top).  0 or -1. */
int pickle_emit(struct pickle *m, const char *path);
/* Number of the storage of that key, or UINT32_MAX. */
uint32_t ctx_find(const struct ctx *c, const unsigned char *key, size_t n);
void ctx_free(struct ctx *c);
/* A whole torch file whose object is one storage (torch.storage._load_from_bytes). */
int torch_storage(struct ctx *outer, const unsigned char *p, size_t n, struct store *s);

#endif
