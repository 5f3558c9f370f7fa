/* What the files of samples share: where frames lie, of which sequence they are. */
#ifndef SAMPLESOWN_H
#define SAMPLESOWN_H

#include "rows.h"
#include "samples.h"
#include "sampleset.h"

enum what { SEQ, TEXT, TOK, OTHER, ROUTE }; /* in the order in which they are put */

struct place { /* of a frame; those of a batch are a list */
	uint64_t off, n, layer, seq;
	uint32_t next, what;
};

struct batch {
	uint64_t number;
	uint32_t input, dataset;
	uint32_t first, last; /* places; UINT32_MAX: none */
};

struct seq {          /* also a sample */
	uint64_t seq; /* TR_NONE: the whole batch */
	uint32_t batch, dataset;
	uint8_t told, synthetic, alone; /* told: by a seq frame; alone in its batch */
};

struct run { /* rows of one sequence */
	uint64_t lo, hi, seq;
	uint32_t batch;
};

struct input {
	struct spool *from;
	enum samples_kind kind;
};

#define LIST(type, name) \
	type *name;      \
	size_t n##name, cap##name

struct samples {
	LIST(struct place, place);
	LIST(struct batch, batch);
	LIST(struct seq, seq);
	LIST(struct run, run);
	LIST(struct input, input);
	LIST(char *, dataset);   /* names; 0 is "" */
	LIST(uint32_t, section); /* batches of this section, by number */
	LIST(uint32_t, sorted);  /* samples of all sets that are chosen from, set by set */
	LIST(uint32_t, at);      /* where a set begins there */
	LIST(uint32_t, frame);   /* places of the batch that is put */
	uint32_t *idx;           /* rows of a frame */
	size_t capidx;
	uint32_t section_dataset;  /* what the trace line says */
	uint64_t layers, sections; /* the fewest layers */
	int ended, decode;
	struct sampleset chosen;
	struct sample *order;
	struct rows_buf buf, cut;
	char err[160];
};

/* Room for one more of a list: 0, TR_ENOMEM, or TR_ELIMIT where a uint32_t counts no more. */
int samples_room(void *list, size_t n, size_t *cap, size_t size);
#define ROOM(s, name) samples_room(&(s)->name, (s)->n##name, &(s)->cap##name, sizeof *(s)->name)

#endif
