/* The tensors of the decoder in a checkpoint. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "moedec.h"

/* Size i of a tensor, if there is one of so many sizes. */
static void
told(uint64_t *to, const struct array_list *l, const char *name, int ndim, int i)
{
	const struct array *a = array_find(l, name);

	if (!*to && a && a->ndim == ndim)
		*to = a->dim[i];
}

void
moedec_sizes_of(struct moedec *m, const struct array_list *l)
{
	char name[MOEDEC_NAME];

	if (m->kind == MOEDEC_ROUTER) {
		told(&m->experts, l, "router.weight", 2, 0);
		told(&m->d_model, l, "router.weight", 2, 1);
		return;
	}
	told(&m->vocab, l, "embed.weight", 2, 0);
	told(&m->d_model, l, "embed.weight", 2, 1);
	if (array_find(l, "positions.weight"))
		m->learned = 1;
	told(&m->max_len, l, "positions.weight", 2, 0);
	told(&m->experts, l, "layers.0.router.weight", 2, 0);
	told(&m->hidden, l, "layers.0.mlp.w1.weight", 2, 0);
	told(&m->hidden, l, "layers.0.experts.0.w1.weight", 2, 0);
	for (uint64_t n = m->layers ? 0 : 1; n; n++) {
		snprintf(name, sizeof name, "layers.%llu.norm1.weight", (unsigned long long)n - 1);
		if (!array_find(l, name))
			break;
		m->layers = n;
	}
}

static void
shape(char *to, size_t size, int ndim, const uint64_t *dim)
{
	size_t n = 0;

	*to = 0;
	for (int i = 0; i < ndim && n < size; i++)
		n += (size_t)snprintf(to + n, size - n, "%s%llu", i ? "x" : "",
				      (unsigned long long)dim[i]);
}

int
moedec_find(const struct array_list *l, const struct moedec_tensor *t, const struct array **a,
	    char err[MOEDEC_ERR])
{
	char want[64], has[192];

	if (t->role == MOEDEC_COS || t->role == MOEDEC_SIN)
		return 0;
	shape(want, sizeof want, t->ndim, t->dim);
	if (!(*a = array_find(l, t->name))) {
		snprintf(err, MOEDEC_ERR, "no tensor %s of %s", t->name, want);
		return -1;
	}
	shape(has, sizeof has, (*a)->ndim, (*a)->dim);
	if ((*a)->type == ARRAY_OTHER)
		snprintf(err, MOEDEC_ERR, "%s: elements of type %s", t->name, (*a)->dtype);
	else if (strcmp(want, has) != 0)
		snprintf(err, MOEDEC_ERR, "%s: its shape is %s, not %s", t->name,
			 *has ? has : "none", want);
	else
		return 1;
	return -1;
}

int
moedec_match(const struct moedec *m, const struct array_list *l, char err[MOEDEC_ERR])
{
	unsigned char *used = calloc(l->n + 1, 1);
	struct moedec_tensor t;
	const struct array *a;
	int r = -1;

	if (!used) {
		snprintf(err, MOEDEC_ERR, "no memory");
		return -1;
	}
	for (uint64_t i = 0; moedec_tensor(m, i, &t); i++) {
		int found = moedec_find(l, &t, &a, err);

		if (found < 0)
			goto out;
		if (found)
			used[a - l->a] = 1;
	}
	for (size_t i = 0; i < l->n; i++)
		if (!used[i]) {
			snprintf(err, MOEDEC_ERR, "%.256s: this model has no such tensor",
				 l->a[i].path);
			goto out;
		}
	r = 0;
out:
	free(used);
	return r;
}
