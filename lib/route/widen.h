/* Numbers of type TR_F32, TR_F16 or TR_BF16 as f32, and back to nearest even. */
#ifndef WIDEN_H
#define WIDEN_H

#include "../core/moetrace.h"

/* n of them; from and to do not overlap and are the caller's. */
void widen(enum tr_type type, const void *from, uint64_t n, float *to);
void narrow(enum tr_type type, const float *from, uint64_t n, void *to);
/* The same of rows that lie ld numbers apart, to rows of n without gaps. */
void widen_rows(enum tr_type type, const void *from, uint64_t ld, uint64_t rows, uint64_t n,
		float *to);

#endif
