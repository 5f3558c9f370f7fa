/* Inputs that are read twice: made seekable, and their frames found again. */
#ifndef SPOOL_H
#define SPOOL_H

#include "rows.h"

struct spool {
	const char *file; /* the operand */
	const char *name; /* what tr_openv opens, each time from the start */
	int fd;           /* the same bytes, for spool_frame */
	uint64_t base;    /* where they start there */
	char path[32];
};

/* A new unlinked file in $TMPDIR, the caller's to close; -1: errno says why. */
int spool_temp(void);

/* Make an operand ("-": standard input) fit to be read twice: a regular file
 * stays where it is, of others all is put into an unlinked file in $TMPDIR.
 * file is kept, not copied.  0, or -1 and errno says why. */
int spool_open(struct spool *s, const char *file);
int spool_rewind(struct spool *s); /* before the second tr_openv */
void spool_close(struct spool *s);

/* Frame of n bytes at byte off (f->offset), as a reader found it.  Its bytes lie in
 * buf; with decode its columns do, ready to be written in another form.
 * 0 or TR_E.... */
int spool_frame(struct spool *s, uint64_t off, uint64_t n, int decode, struct tr_frame *f,
		struct rows_buf *buf);

#endif
