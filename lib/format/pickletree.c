/* What a pickle's root holds: its arrays and scalars, listed by their paths. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "picklestate.h"

enum pickle_root
pickle_root(const struct pickle *m)
{
	switch (m->v[m->root].tag) {
	case V_INT:
		return PICKLE_INT;
	case V_BIG:
		return PICKLE_BIG;
	case V_DICT:
		return PICKLE_DICT;
	case V_LIST:
		return PICKLE_LIST;
	case V_STORE:
		return PICKLE_STORE;
	default:
		return PICKLE_OTHER;
	}
}

int64_t
pickle_int(const struct pickle *m)
{
	return m->v[m->root].u.i;
}

const unsigned char *
pickle_bytes(const struct pickle *m, size_t *n)
{
	*n = m->v[m->root].u.s.n;
	return m->v[m->root].u.s.p;
}

uint32_t
pickle_store(const struct pickle *m)
{
	return m->v[m->root].u.x;
}

int
pickle_item(const struct pickle *m, const char *key, int64_t *i)
{
	const struct value *d = &m->v[m->root], *v;

	for (uint32_t k = 0; k + 1 < d->u.c.n; k += 2)
		if (pk_is_str(pk_item(m, d, k), key)) {
			v = pk_item(m, d, k + 1);
			*i = v->u.i;
			return v->tag == V_INT || v->tag == V_BOOL;
		}
	return 0;
}

int
pickle_at(const struct pickle *m, size_t i, const unsigned char **s, size_t *n)
{
	const struct value *d = &m->v[m->root], *v;

	if (i >= d->u.c.n)
		return 0;
	v = pk_item(m, d, (uint32_t)i);
	if (v->tag != V_STR)
		return -1;
	*s = v->u.s.p;
	*n = v->u.s.n;
	return 1;
}

/* ---- the walk over the result ---- */

static int
emit_tensor(struct pickle *m, const struct tensor *t, const char *path)
{
	struct array *a;

	m->paths += strlen(path) + 1;
	if (m->paths > pk_limit(m, MAX_PATHS, 1) || m->c->l->n >= pk_limit(m, MAX_TENSORS, 64))
		return pk_fail(m, "too many arrays to list");
	if (!(a = array_add(m->c->l, path)))
		return pk_fail(m, "no memory");
	a->type = t->type;
	a->size = pk_types[t->type].size;
	snprintf(a->dtype, sizeof a->dtype, "%s", pk_types[t->type].name);
	a->ndim = t->ndim;
	memcpy(a->dim, t->dim, sizeof a->dim);
	memcpy(a->stride, t->stride, sizeof a->stride);
	a->swap = t->swap;
	a->data = t->data;
	if (t->store != UINT32_MAX) {
		const struct store *s = &m->c->store[t->store];

		a->swap = s->swap;
		if (s->data)
			a->data = s->data + t->off * a->size;
	}
	if (!a->data)
		a->data = (const unsigned char *)"";
	return 0;
}

static int
emit_scalar(struct pickle *m, const struct value *v, const char *path)
{
	struct array_scalar *s;

	if (m->c->l->nscalar >= pk_limit(m, MAX_SCALARS, 64))
		return 0;
	m->paths += strlen(path) + 1;
	if (v->tag == V_STR) {
		if (v->u.s.n > MAX_PATH || memchr(v->u.s.p, 0, v->u.s.n))
			return 0;
		m->paths += v->u.s.n;
	}
	if (m->paths > pk_limit(m, MAX_PATHS, 1))
		return pk_fail(m, "too many values to list");
	if (!(s = array_add_scalar(m->c->l, path)))
		return pk_fail(m, "no memory");
	s->is_text = v->tag == V_STR;
	if (!s->is_text) {
		s->i = v->u.i;
		return 0;
	}
	if (!(s->text = malloc(v->u.s.n + 1)))
		return pk_fail(m, "no memory");
	memcpy(s->text, v->u.s.p, v->u.s.n);
	s->text[v->u.s.n] = 0;
	return 0;
}

/* path + "." + key; at is the length of path. */
static int
extend(struct pickle *m, char path[MAX_PATH], size_t at, const struct value *key, uint32_t i)
{
	size_t n = at;

	if (at)
		path[n++] = '.';
	if (key && key->tag == V_STR) {
		if (key->u.s.n > MAX_PATH - n - 2)
			return pk_fail(m, "a name is too long");
		for (size_t k = 0; k < key->u.s.n; k++) {
			unsigned char c = key->u.s.p[k];

			path[n++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
		}
		path[n] = 0;
		return 0;
	}
	if (MAX_PATH - n < 24)
		return pk_fail(m, "a name is too long");
	if (!key)
		snprintf(path + n, MAX_PATH - n, "%u", i);
	else if (key->tag == V_INT)
		snprintf(path + n, MAX_PATH - n, "%lld", (long long)key->u.i);
	else
		snprintf(path + n, MAX_PATH - n, "?");
	return 0;
}

static int
emit(struct pickle *m, uint32_t x, char path[MAX_PATH], int depth)
{
	const struct value *v = &m->v[x];
	size_t at = strlen(path);
	int dict = v->tag == V_DICT;

	if (++m->steps > pk_limit(m, MAX_STEPS, 4))
		return pk_fail(m, "shared values make more than %u items",
			       pk_limit(m, MAX_STEPS, 4));
	if (v->tag == V_TENSOR)
		return emit_tensor(m, &m->t[v->u.x], at ? path : ".");
	if (v->tag == V_INT || v->tag == V_BOOL || v->tag == V_STR)
		return emit_scalar(m, v, at ? path : ".");
	if (v->tag == V_OPAQUE && v->plain)
		return pk_fail(m, "an array that was never filled");
	if (!dict && v->tag != V_LIST && v->tag != V_TUPLE)
		return 0;
	if (depth >= MAX_DEPTH)
		return pk_fail(m, "values nested deeper than %d", MAX_DEPTH);
	for (uint32_t i = 0; i < v->u.c.n; i += dict ? 2 : 1) {
		if (extend(m, path, at, dict ? pk_item(m, v, i) : NULL, i) ||
		    emit(m, v->u.c.v[i + (uint32_t)dict], path, depth + 1))
			return -1;
		path[at] = 0;
	}
	return 0;
}

int
pickle_emit(struct pickle *m, const char *path)
{
	char buf[MAX_PATH];
	size_t n = strlen(path);

	if (n >= sizeof buf - 32)
		return pk_fail(m, "a name is too long");
	memcpy(buf, path, n + 1);
	return emit(m, m->root, buf, 0);
}

int
pickle_read(struct array_list *l, const unsigned char *p, size_t n, const struct array_opts *o)
{
	struct ctx c = {.l = l, .o = o, .entry = ""};
	struct pickle *m;
	size_t used;
	int r;

	if (!(m = pickle_run(&c, p, n, &used))) {
		ctx_free(&c);
		return -1;
	}
	m->op = used;
	r = used < n ? pk_fail(m, "%zu bytes after STOP", n - used) : pickle_emit(m, "");
	pickle_free(m);
	ctx_free(&c);
	return r;
}

int
pickle_object0(struct array_list *l, const char *path, const unsigned char *p, size_t n,
	       const struct array_opts *o)
{
	struct ctx c = {.l = l, .o = o, .entry = "", .object0 = 1};
	const struct value *v, *e;
	struct pickle *m;
	size_t used;
	int r = -1;

	if (!(m = pickle_run(&c, p, n, &used)))
		goto out;
	v = &m->v[m->root];
	m->op = used;
	if (used < n)
		pk_fail(m, "%zu bytes after STOP", n - used);
	else if (v->tag != V_TENSOR || m->t[v->u.x].list == UINT32_MAX)
		pk_fail(m, "no wrapper around one array");
	else {
		e = &m->v[m->t[v->u.x].list];
		e = e->tag == V_LIST && e->u.c.n == 1 ? pk_item(m, e, 0) : NULL;
		if (e && e->tag == V_NONE)
			r = 0;
		else if (e && e->tag == V_TENSOR && m->t[e->u.x].list == UINT32_MAX)
			r = emit_tensor(m, &m->t[e->u.x], path);
		else
			pk_fail(m, "the wrapper holds no array");
	}
	pickle_free(m);
out:
	ctx_free(&c);
	return r;
}
