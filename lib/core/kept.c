/* Copies of frames, see kept.h. */
#include "kept.h"

#include <stdlib.h>
#include <string.h>

int
kept_add(struct kept *k, const struct tr_frame *f)
{
	struct kept_frame *to;

	if (!f->raw)
		return TR_EUSE;
	if (k->n == k->cap) {
		const size_t cap = k->cap ? 2 * k->cap : 8;

		if (!(to = realloc(k->of, cap * sizeof *to)))
			return TR_ENOMEM;
		k->of = to;
		k->cap = cap;
	}
	to = &k->of[k->n];
	if (!(to->raw = malloc(f->nraw)))
		return TR_ENOMEM;
	memcpy(to->raw, f->raw, f->nraw);
	to->f = *f;
	to->f.from = NULL;
	to->f.raw = to->raw;
	if (f->payload)
		to->f.payload = (char *)to->raw + ((const char *)f->payload - (const char *)f->raw);
	for (int i = 0; i < f->ncols; i++)
		to->f.cols[i].data = NULL;
	k->n++;
	return 0;
}

void
kept_clear(struct kept *k)
{
	while (k->n)
		free(k->of[--k->n].raw);
}

void
kept_free(struct kept *k)
{
	kept_clear(k);
	free(k->of);
	memset(k, 0, sizeof *k);
}
