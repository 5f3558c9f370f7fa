#include <stdlib.h>
#include <string.h>

#include "copies.h"
#include "num.h"

int
copies_places(const char *s, int devices, int *to)
{
	int n = 0;

	if (!strcmp(s, "all")) {
		for (int i = COPY_HOST; i < devices && n < COPIES_PLACES; i++)
			to[n++] = i;
		return n;
	}
	for (;;) {
		size_t len = strcspn(s, ",");
		uint64_t g;

		if (n == COPIES_PLACES)
			return -1;
		if (len == 1 && *s == 'h')
			to[n++] = COPY_HOST;
		else if (*s == 'g' && num_u64n(s + 1, s + len, 0, 9999, &g) == 0)
			to[n++] = (int)g;
		else
			return -1;
		if (!s[len])
			return n;
		s += len + 1;
	}
}

static int
is_in(const int *list, int n, int place)
{
	for (int i = 0; i < n; i++)
		if (list[i] == place)
			return 1;
	return 0;
}

int
copies_has(const struct copies *w, int a, int b)
{
	int is_from = is_in(w->from, w->nfrom, a), is_to = is_in(w->to, w->nto, b);

	return a == b ? is_from || is_to : is_from && is_to;
}

static int
has(enum copies_ways ways, int second)
{
	return ways & (second ? WAYS_SECOND : WAYS_FIRST);
}

static int
wanted(const struct copies *w, const struct copy *c)
{
	int any_host = c->from == COPY_HOST || c->to == COPY_HOST;

	if (c->from == COPY_HOST && c->to == COPY_HOST)
		return w->host && c->pageable && !c->both && has(w->direction, 0) &&
		       c->how == (w->latency ? COPY_CHASE : COPY_ENGINE);
	if (c->how == COPY_GRAPH && c->bytes != 4)
		return 0;
	return copy_is(c) && has(w->direction, c->both) &&
	       (w->latency || has(w->engine, c->how == COPY_KERNEL)) &&
	       (!any_host || has(w->memory, c->pageable)) &&
	       (any_host || c->from == c->to || has(w->access, !c->access));
}

int
copies_list(const struct copies *w, struct copy **list)
{
	size_t n = 0, cap = 0;

	*list = NULL;
	/* one loop over all that there could be: pair, both, how, pageable, no access, size */
	for (int pair = 0; pair < w->nfrom * w->nto; pair++)
		for (int ways = 0; ways < 16; ways++)
			for (int i = 0; i < w->nsize; i++) {
				int from = w->from[pair / w->nto], to = w->to[pair % w->nto];
				int any_host = from == COPY_HOST || to == COPY_HOST;
				struct copy c = {
					.from = from,
					.to = to,
					.both = ways >> 3,
					.how = (enum copy_how)((w->latency ? COPY_GRAPH : 0) +
							       (ways >> 2 & 1)),
					.pageable = ways >> 1 & 1,
					.access = !(ways & 1) && !any_host && from != to,
					.bytes = w->size[i],
				};

				if (c.how == COPY_GRAPH && i == 0)
					c.bytes = 4;
				/* what a pair cannot choose is there once */
				if ((!any_host && c.pageable) ||
				    ((any_host || from == to) && ways & 1) || !wanted(w, &c))
					continue;
				if (n == cap) {
					struct copy *p =
						realloc(*list, (cap = 2 * cap + 64) * sizeof *p);

					if (!p) {
						free(*list);
						*list = NULL;
						return -1;
					}
					*list = p;
				}
				(*list)[n++] = c;
			}
	return (int)n;
}
