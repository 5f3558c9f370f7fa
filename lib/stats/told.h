/*
 * What seq and tok frames have told of the rows that route frames bring later:
 * a yes or no for each sequence, and for each row of a batch.
 */
#ifndef TOLD_H
#define TOLD_H

#include <stddef.h>
#include <stdint.h>

struct told;

struct told *told_new(void); /* NULL: no memory */
void told_free(struct told *t);
void told_forget(struct told *t); /* all, at the begin of a section */

/* Say of a sequence: 0 or TR_ENOMEM.  What was said: 0, 1, or -1 nothing. */
int told_put_seq(struct told *t, uint64_t batch, uint64_t seq, int yes);
int told_seq(struct told *t, uint64_t batch, uint64_t seq);
size_t told_seqs(const struct told *t); /* of how many something was said */

/* Choose the batch that the rows below are of, with room for n more: 0 or TR_ENOMEM. */
int told_batch(struct told *t, uint64_t number, uint64_t n);
/* Say of a row; when all of a frame are said, told_rows_end. */
void told_put_row(struct told *t, uint64_t row, int yes);
void told_rows_end(struct told *t);
/* What was said: 0, 1, or -1 nothing.  Quickest for rows in ascending order. */
int told_row(struct told *t, uint64_t row);
/* Batches of lower numbers will not come again. */
void told_pass(struct told *t, uint64_t number);

#endif
