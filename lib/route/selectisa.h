/* What select.c shares with the files of one processor each: select_plain's contract, the
 * same bits. */
#ifndef SELECTISA_H
#define SELECTISA_H

#include "select.h"

typedef uint64_t select_fn(const struct select *s, const void *logits, uint64_t rows, uint16_t *ids,
			   float *w);

#if defined __x86_64__
select_fn select_avx512;
#elif defined __aarch64__
select_fn select_neon;
#endif

#endif
