/*
 * From records to prompts (collection.md 3): a table says for each data set which
 * fields make the text and what stands before it.
 */
#ifndef PROMPT_H
#define PROMPT_H

#include <stddef.h>
#include <stdint.h>

#include "../../lib/format/record.h"

enum { PROMPT_ERR = 320 };

/*
 * One line of a table, DATASET CONFIG FIELDS PREFIX SAMPLES by tabs; "*" fits any data
 * set or config.  FIELDS: alternatives by commas, the first that has text is taken;
 * a + b are joined, whichever there are.  PREFIX "-": none, else a blank is put
 * behind it.
 */
struct prompt_rule {
	char *dataset, *config, *prefix; /* lent from the table */
	char *fields;                    /* as written */
	uint64_t samples;
};

struct prompt_rules {
	struct prompt_rule *rule;
	size_t n;
	char *text;           /* the lines, cut up */
	char err[PROMPT_ERR]; /* "LINE: reason" */
};

/* A table of n bytes, which are copied: 0, or -1 and x->err.  Free x either way. */
int prompt_rules_parse(struct prompt_rules *x, const char *p, size_t n);
void prompt_rules_free(struct prompt_rules *x);

/* The first line that fits, or NULL. */
const struct prompt_rule *prompt_rule_find(const struct prompt_rules *x, const char *dataset,
					   const char *config);

/* What a set is called. */
struct prompt_name {
	char *dataset, *config, *split; /* NULL: not told */
	char *id;                       /* "dataset/config/split", default and train untold */
	char *set;                      /* "dataset/config", or "dataset" */
	const char *file;               /* lent from the operand */
	char *text;
};

/* "DATASET:CONFIG:SPLIT=FILE", or a file named DATASET--CONFIG--SPLIT.ending: 0, -1 no
 * name, -2 no memory.  Free x either way. */
int prompt_name_parse(struct prompt_name *x, const char *operand);
void prompt_name_free(struct prompt_name *x);

/* The text of a record by rule into to, which is emptied first, without blanks around
 * it: 1, 0 where there is none, -1 and record_err. */
int prompt_text(const struct prompt_rule *rule, struct record *r, struct record_text *to);

/* Characters (code points) of n bytes: their number, or -1, no UTF-8. */
long long prompt_chars(const char *p, size_t n);
/* Bytes of the first chars of them; all where there are no more. */
size_t prompt_cut(const char *p, size_t n, uint64_t chars);

#endif
