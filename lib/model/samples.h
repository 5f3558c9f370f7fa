/*
 * The samples of traces: which frames are of which sequence, a random choice of sequences,
 * and the frames of those, each sample a batch of its own.  collection.md 4, 5.
 *
 * A sample is a sequence that seq or tok frames tell, or a batch of which neither tells one.
 * Frames without a batch are of no sample.
 */
#ifndef SAMPLES_H
#define SAMPLES_H

#include "spool.h"

/* What the samples of an input are, and become. */
enum samples_kind {
	SAMPLES_ANY,
	SAMPLES_REAL,      /* a sequence that says synthetic=1 is none of them */
	SAMPLES_SYNTHETIC, /* all say synthetic=1 on their way out */
	SAMPLES_KINDS,
};

struct samples; /* 48 bytes a frame, 24 a sequence, 32 a run of rows of one sequence */

/* NULL: no memory.  decode: frames come out ready to be written in another form. */
struct samples *samples_new(uint64_t seed, int decode);
void samples_free(struct samples *s); /* NULL is fine */
const char *samples_err(const struct samples *s);

/*
 * Take note of all frames that in, a reader of from, has; trace and prog lines go into head,
 * too, unless force with the same model.  from is lent until samples_free.  0 or TR_E..., and
 * tr_errstr(in) says where.
 */
int samples_read(struct samples *s, struct tr *in, struct spool *from, enum samples_kind kind,
		 struct tr_head *head, int force);

/* Layers that the section with the fewest has; 0: none was read. */
uint64_t samples_layers(const struct samples *s);

/*
 * All is read: choose of that kind total samples (TR_NONE: all), evenly by data set (of a
 * remainder the first have one more; what one lacks the others give), at most per_set of
 * each.  Once for each kind, before samples_order.  How many are chosen, or TR_ENOMEM,
 * TR_ELIMIT, or TR_EVALUE and samples_err: a batch of several sequences without tok frames.
 */
long long samples_choose(struct samples *s, enum samples_kind kind, uint64_t total,
			 uint64_t per_set);
/* All that is chosen in a random order, or in turn by data set; the trace line will say so.
 * 0 or TR_ENOMEM, TR_ELIMIT where that line grows too long. */
int samples_order(struct samples *s, int shuffle, struct tr_frame *trace);
/*
 * The frames of sample i of that order, as batch i and sequence i: seq, text, tok and the
 * others, then by layer.  put gets each, lent.  0, TR_E..., or what put returned where that is
 * not 0; TR_EVALUE and samples_err where a row is of no sequence.
 */
int samples_put(struct samples *s, uint64_t i, int (*put)(void *arg, struct tr_frame *f),
		void *arg);

#endif
