/*
 * Frames with texts among them, on their way to becoming tokens: what one thread takes at once.
 * Texts of one batch become one tok frame, which stands where the last of them stood.
 */
#ifndef TOKEN_ITEM_H
#define TOKEN_ITEM_H

#include "moetrace.h"
#include "tokenizer.h"

struct item;

struct item *item_new(void); /* NULL: no memory */
void item_free(struct item *m);

/* Add a frame that stays as it is; its columns are decoded where decode says so: 0 or TR_E.... */
int item_keep(struct item *m, struct tr_frame *f, int decode);
/* Where a text came from: a frame, or a line. */
struct item_from {
	uint64_t number, offset;
	int input;
};

/* Add a text of n bytes, copied: 0 or TR_ENOMEM. */
int item_text(struct item *m, const char *p, size_t n, uint64_t batch, uint64_t seq,
	      struct item_from from);
/* The same of decimal ids with blanks between them, behind a | the decoder's own: their number, TR_ENOMEM, or TR_EVALUE and
 * *bad, how much of the text is before what is no id. */
long long item_ids(struct item *m, const char *p, size_t n, uint64_t batch, uint64_t seq,
		   size_t *bad);
size_t item_size(const struct item *m); /* bytes of texts and ids, so far */

struct item_opts {
	size_t most;    /* tokens of a text; 0: all */
	int shifted;    /* rows of phase 1: */
	uint32_t start; /* this, then all but the last token */
};

/* Texts to rows.  r may be NULL where only ids are. */
void item_encode(struct item *m, struct token_run *r, const struct item_opts *o);
/* How that went: 0, or TOKENIZER_... and where the text was. */
int item_failed(const struct item *m, struct item_from *from);
/* Then the frames one after the other, lent while the item is: 1, 0 at the end, or TR_E.... */
int item_next(struct item *m, struct tr_frame *f);

#endif
