/* Where results come from: what their trace, prog and note lines say, in no order of inputs. */
#ifndef ORIGIN_H
#define ORIGIN_H

#include "moetrace.h"
#include "page.h"

struct origin {
	struct words {
		char name[TR_NAME_MAX];
		char **text; /* sorted, apart; owned */
		size_t n;
	} key[TR_KEYS_MAX];
	size_t nkey;
	struct words pipe; /* the commands of a section, "a | b" */
	struct words note;
	char in[64];        /* of the last command */
	char *commands;     /* of the section being read */
	uint64_t rows;      /* of route frames */
	uint64_t tokens[2]; /* the fewest and the most that a result counts */
};

/* Any frame: 0 or TR_E.... */
int origin_take(struct origin *o, const struct tr_frame *f);
/* The model, NULL where it is not one alone. */
const char *origin_model(const struct origin *o);
/* sect: layers, experts and topk of all. */
void origin_put(struct page *p, const struct origin *o, const struct tr_sect *sect);
void origin_free(struct origin *o);

#endif
