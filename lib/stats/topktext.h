/* The DynaNDE notebooks' histogram files, byte for byte (trace-csv, Statistics). */
#ifndef TOPKTEXT_H
#define TOPKTEXT_H

#include <stdint.h>

#include "sink.h"

struct topktext {
	uint64_t layer, k, n_tokens;
	uint32_t experts;
	const uint64_t *n;     /* [experts] */
	uint64_t position;     /* UINT64_MAX: a prefill file */
	uint64_t seqs, seqlen; /* prefill only */
	int title;             /* "1St token", as Python's title() has it */
};

/* Each writes one file's content: 0, or -1 and errno. */
int topktext_csv(struct sink *s, const struct topktext *t);
int topktext_txt(struct sink *s, const struct topktext *t);

#endif
