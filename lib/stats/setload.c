/* Picks by data set, see setload.h: each run of rows of one is counted as a frame. */
#include <stdlib.h>

#include "load.h"
#include "setload.h"

/* Those last used are at hand first.  NULL: no memory. */
static struct setload_part *
part_of(struct setload *s, uint64_t layer, int set, uint32_t experts)
{
	struct setload_part *p;

	for (size_t i = s->parts; i-- > 0;)
		if (s->part[i].layer == layer && s->part[i].set == set)
			return &s->part[i];
	if (!(p = realloc(s->part, (s->parts + 1) * sizeof *p)))
		return NULL;
	s->part = p;
	p += s->parts;
	*p = (struct setload_part){layer, 0, set, calloc((size_t)experts + 1, sizeof *p->n)};
	if (!p->n)
		return NULL;
	s->parts++;
	return p;
}

int
setload_add(struct setload *s, struct datasets *sets, const struct tr_frame *f,
	    const struct tr_ids *ids, uint32_t k, const uint8_t *dropped, uint32_t experts)
{
	uint64_t layer = tr_get(f, "layer", 0), n;
	struct tr_ids some = *ids;

	for (uint64_t i = 0; i < ids->rows; i += n) {
		int set = datasets_at(sets, f, i, &n);
		struct setload_part *p;

		if (set < 0)
			return set;
		if (!(p = part_of(s, layer, set, experts)))
			return TR_ENOMEM;
		some.rows = n;
		some.u8 = ids->u8 ? ids->u8 + i * ids->k : NULL;
		some.u16 = ids->u16 ? ids->u16 + i * ids->k : NULL;
		load_count(&some, k, dropped ? dropped + i * ids->k : NULL, experts, p->n);
		p->rows += n;
	}
	return 0;
}

void
setload_free(struct setload *s)
{
	for (size_t i = 0; i < s->parts; i++)
		free(s->part[i].n);
	free(s->part);
	*s = (struct setload){0};
}
