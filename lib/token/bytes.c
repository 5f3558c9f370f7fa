/* Bytes that grow, by half of what they are. */
#include "bytes.h"
#include "size.h"

int
bytes_grow(void *p, size_t *cap, size_t n0, size_t n, size_t size)
{
	size_t want, all;
	void *q;

	if (size_add(n0, n, &want) < 0)
		return -1;
	want = MAX(MAX(want, *cap + *cap / 2), (size_t)64);
	if (size_mul(want, size, &all) < 0 || !(q = realloc(*(void **)p, all)))
		return -1;
	*(void **)p = q;
	*cap = want;
	return 0;
}
