/*
 * Texts and ids that are lines of files.  These functions die, as those of tool.h do; they
 * are for main and its helpers only.
 */
#ifndef TOKEN_TEXTIN_H
#define TOKEN_TEXTIN_H

#include "../core/tool.h"
#include "../format/record.h"
#include "item.h"

/* The lines of t's operands, or of standard input; {0} at first. */
struct textin {
	struct record *record;
	int fd, operand;
	uint64_t lines; /* so far, empty ones too */
};

/* The next line that is not empty into to: 1, or 0 at the end. */
int textin_next(struct textin *in, const struct tool *t, struct record_text *to);

/* The next line of m, from *at on, as ids of sequence `line`, rows of that phase: how many,
 * or -1 at the end. */
long long textin_ids(struct item *item, const struct tool_file *m, size_t *at, uint64_t line,
		     int phase);

#endif
