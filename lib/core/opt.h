/*
 * Options: one table a tool; --help, the completions and t/man.t read it.
 * The common options (tool.h) are added by the flags of the tool.
 */
#ifndef OPT_H
#define OPT_H

#include <stdint.h>

#include "moetrace.h"

enum opt_type {
	OPT_FLAG, /* int: set to 1 */
	OPT_U64,  /* uint64_t: decimal, between lo and hi (hi 0: no limit) */
	OPT_SIZE, /* uint64_t: with K, M, G */
	OPT_F64,  /* double, finite */
	OPT_STR,  /* const char * */
	OPT_LIST, /* struct tr_list */
	OPT_WORD, /* int: index into the words of arg, "count|pmi|jaccard" */
	OPT_FUNC, /* void (*)(const char *val): called */
};

struct opt {
	int letter;       /* 0: long form only */
	const char *name; /* NULL: the last one */
	const char *arg;  /* what --help calls the value; NULL for a flag */
	enum opt_type type;
	void *var;        /* OPT_FUNC: the function */
	const char *help; /* one line, lower case */
	uint64_t lo, hi;
};

/* All options of a tool, and what parsing found.  tool.c is its only user. */
struct opt_all {
	const char *name, *operands, *what;
	const struct opt *opt[64];
	int n;
	char **operand; /* in order, options taken out */
	int noperand;
	char **args; /* argv for @prog: without what cannot change the result */
	int nargs;
};

/* Add an option unless its name or letter is taken. */
void opt_add(struct opt_all *all, const struct opt *o);
/* Parse; dies on wrong use, serves --help. */
void opt_parse(struct opt_all *all, int argc, char **argv);

#endif
