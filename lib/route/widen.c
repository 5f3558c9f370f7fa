#include "widen.h"
#include "rowtype.h"

void
widen(enum tr_type type, const void *from, uint64_t n, float *to)
{
	rowtype_widen(type, from, 0, n, to);
}

void
narrow(enum tr_type type, const float *from, uint64_t n, void *to)
{
	rowtype_narrow(type, from, n, to, 0);
}

void
widen_rows(enum tr_type type, const void *from, uint64_t ld, uint64_t rows, uint64_t n, float *to)
{
	for (uint64_t r = 0; r < rows; r++)
		rowtype_widen(type, from, r * ld, n, to + r * n);
}
