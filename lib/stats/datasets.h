/* Which data set the rows of a section are of: seq frames name that of a
 * sequence, tok frames say of which sequence a row is. */
#ifndef DATASETS_H
#define DATASETS_H

#include <stdint.h>

#include "../core/moetrace.h"

struct datasets; /* 32 bytes a sequence, 24 a run of rows of one data set */

struct datasets *datasets_new(void); /* NULL: no memory */
void datasets_free(struct datasets *d);
/* A new section: sequences and rows are forgotten, names and their numbers stay. */
void datasets_begin(struct datasets *d);
/* Take in a seq or tok frame; others are passed over.  0 or TR_E...: TR_EVALUE
 * its batch, seq or row is no number, TR_ELIMIT above 65535 data sets. */
int datasets_take(struct datasets *d, const struct tr_frame *f);
/* The number of the data set of row i of a route frame, and in *n of how many rows
 * from i on.  0: none is known.  Rows without a tok frame are of their batch's data
 * set, if its sequences have but one.  TR_E... where the rows cannot be read. */
int datasets_at(struct datasets *d, const struct tr_frame *route, uint64_t i, uint64_t *n);
/* Names by number, lent; 0 is "". */
int datasets_count(const struct datasets *d);
const char *datasets_name(const struct datasets *d, int number);

#endif
