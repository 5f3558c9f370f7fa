/* Is the layer right?  Nothing here uses what the layer itself has computed but the picks. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "crc32c.h"
#include "eplayerown.h"
#include "half.h"
#include "size.h"

/* Host copies of what a check looks at. */
struct seen {
	uint16_t *ids;                  /* [rows][k] */
	float *w;                       /* [rows][k] */
	unsigned char *packed, *in, *y; /* [offsets[experts]][d], [received][d], [rows][d] */
	uint32_t *perm, *id;            /* [offsets[experts]], [received] */
};

static float
number(enum tr_type type, const void *p, uint64_t i)
{
	const uint16_t *h = p;

	return type == TR_F32   ? ((const float *)p)[i]
	       : type == TR_F16 ? half_f32(h[i])
				: bf16_f32(h[i]);
}

static void
store(enum tr_type type, void *p, uint64_t i, float x)
{
	if (type == TR_F32)
		((float *)p)[i] = x;
	else
		((uint16_t *)p)[i] = type == TR_F16 ? half_from(x) : bf16_from(x);
}

static void *
get(struct eplayer *l, const void *from, size_t n)
{
	void *p = malloc(n + 1);

	if (!p)
		ep_fail(l->ep, "no memory");
	else if (eplayer_told(l, l->dev->get(p, from, n)) < 0) {
		free(p);
		p = NULL;
	}
	return p;
}

static void
seen_free(struct seen *s)
{
	free(s->ids);
	free(s->w);
	free(s->packed);
	free(s->in);
	free(s->y);
	free(s->perm);
	free(s->id);
}

static int
look(struct eplayer *l, enum router_strategy a, struct seen *s)
{
	const struct eplayer_own *o = l->own;
	struct router_set t = router_set(&l->router, a, 0);
	size_t routes = l->rows * l->k, b = l->d * tr_size(l->type);

	*s = (struct seen){.ids = get(l, t.ids, routes * 2),
			   .w = get(l, t.w, routes * 4),
			   .packed = get(l, l->router.packed, o->offsets[l->experts] * b),
			   .in = get(l, o->in, o->received * b),
			   .y = get(l, o->y, l->rows * b),
			   .perm = get(l, t.x.perm, o->offsets[l->experts] * 4),
			   .id = get(l, o->id, o->received * 4)};
	if (!s->ids || !s->w || !s->packed || !s->in || !s->y || !s->perm || !s->id)
		return ep_fail(l->ep, "no memory");
	return 0;
}

/* A row, the route that it belongs to and the expert that it is for, as one number. */
static uint64_t
mark(const void *row, size_t n, uint32_t route, uint32_t expert)
{
	uint64_t z = (uint64_t)crc32c(0, row, n) << 32 | route;

	for (int i = 0; i < 2; i++) {
		z += 0x9e3779b97f4a7c15 + expert;
		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
		z = (z ^ z >> 27) * 0x94d049bb133111eb;
		z ^= z >> 31;
	}
	return z;
}

/* Sums of marks of what was routed, for each destination: from picks and tokens alone. */
static int
routed(struct eplayer *l, const struct seen *s, uint64_t *sum, double *n)
{
	const struct eplayer_own *o = l->own;
	size_t b = l->d * tr_size(l->type);

	for (uint64_t i = 0; i < l->rows * l->k; i++) {
		uint32_t to = s->ids[i] / o->local;

		if (s->ids[i] >= l->experts)
			return ep_fail(l->ep, "a pick of expert %u", s->ids[i]);
		sum[to] += mark((char *)o->x + i / l->k * b, b, (uint32_t)i, s->ids[i]);
		n[to]++;
	}
	return 0;
}

/* The same of what has come, from each rank; its own never left. */
static int
came(struct eplayer *l, const struct seen *s, uint64_t *sum, double *n)
{
	const struct eplayer_own *o = l->own;
	size_t b = l->d * tr_size(l->type);
	uint32_t first = (uint32_t)l->ep->rank * o->local;

	for (uint32_t e = 0; e < o->local; e++)
		for (uint32_t i = o->offsets[first + e]; i < o->offsets[first + e + 1]; i++) {
			sum[l->ep->rank] += mark(s->packed + i * b, b, s->perm[i], first + e);
			n[l->ep->rank]++;
		}
	for (int c = 0; c < o->nchunk; c++)
		for (int p = 0; p < l->ep->size; p++) {
			uint64_t at = o->chunk[c].id_roff[p] / 4,
				 end = at + o->chunk[c].id_rn[p] / 4;

			for (; at < end; at++) {
				sum[p] += mark(s->in + at * b, b, s->id[at],
					       first + l->own->host_expert[at]);
				n[p]++;
			}
		}
	return 0;
}

/* Each pair of token and expert where it belongs, with its row. */
static int
check_there(struct eplayer *l, const struct seen *s)
{
	enum { EACH = 3 }; /* number, and both halves of the sum, which fit a double */
	int size = l->ep->size, me = l->ep->rank, r = 0;
	uint64_t out[EP_RANKS_MAX] = {0}, in[EP_RANKS_MAX] = {0};
	double nout[EP_RANKS_MAX] = {0}, nin[EP_RANKS_MAX] = {0}, mine[EACH * EP_RANKS_MAX];
	double *all = malloc((size_t)(size * size) * EACH * sizeof *all);

	if (!all)
		return ep_fail(l->ep, "no memory");
	if (routed(l, s, out, nout) < 0 || came(l, s, in, nin) < 0) {
		free(all);
		return EP_EFAIL;
	}
	for (int p = 0; p < size; p++) {
		mine[EACH * p] = nout[p];
		mine[EACH * p + 1] = (double)(out[p] >> 32);
		mine[EACH * p + 2] = (double)(out[p] & 0xffffffff);
	}
	r = ep_gather(l->ep, mine, all, EACH * size);
	for (int p = 0; p < size && r == 0; p++) {
		const double *sent = all + (p * size + me) * EACH;

		if (nin[p] != sent[0])
			r = ep_fail(l->ep, "%.0f rows came from rank %d, which routed %.0f", nin[p],
				    p, sent[0]);
		else if ((double)(in[p] >> 32) != sent[1] ||
			 (double)(in[p] & 0xffffffff) != sent[2])
			r = ep_fail(l->ep,
				    "rows, routes or experts from rank %d are not those "
				    "that it routed",
				    p);
	}
	free(all);
	return r;
}

/* Experts that do nothing: each token is itself times its weights, slots in order. */
static int
check_back(struct eplayer *l, const struct seen *s)
{
	float want, got;
	char one[4];

	for (uint64_t t = 0; t < l->rows; t++)
		for (uint64_t i = t * l->d; i < (t + 1) * l->d; i++) {
			float x = number(l->type, l->own->x, i);

			want = 0;
			for (uint32_t k = 0; k < l->k; k++)
				want = fmaf(s->w[t * l->k + k], x, want);
			store(l->type, one, 0, want);
			want = number(l->type, one, 0);
			got = number(l->type, s->y, i);
			if (got != want)
				return ep_fail(l->ep,
					       "token %llu, column %llu came back as %.9g, not "
					       "%.9g",
					       (unsigned long long)t,
					       (unsigned long long)(i % l->d), (double)got,
					       (double)want);
		}
	return 0;
}

/* Tokens that no run has made, so that one that is not written is noticed. */
static int
spoil(struct eplayer *l)
{
	size_t n = l->rows * l->d * tr_size(l->type);
	void *p = malloc(n + 1);
	int r;

	if (!p)
		return ep_fail(l->ep, "no memory");
	memset(p, 0xff, n); /* NaN in all types */
	r = eplayer_told(l, l->dev->put(l->own->y, p, n));
	free(p);
	return r;
}

/* One pass with experts that do nothing. */
static int
check_identity(struct eplayer *l, enum router_strategy a, int overlapped)
{
	struct eplayer_overlap o;
	double us[EPLAYER_PHASES];
	struct seen s = {0};
	int r = spoil(l);

	if (r == 0)
		r = overlapped ? eplayer_overlapped(l, a, &o) : eplayer_apart(l, a, us);
	if (r == 0)
		r = look(l, a, &s);
	if (r == 0)
		r = check_there(l, &s);
	if (r == 0) /* whoever got something wrong tells it before whoever gets it back */
		r = ep_barrier(l->ep);
	if (r == 0)
		r = check_back(l, &s);
	seen_free(&s);
	return r;
}

/* How far apart numbers may be, in proportion to the greatest of a row. */
static double
tolerance(enum tr_type type)
{
	return type == TR_F32 ? 1e-4 : type == TR_F16 ? 4e-3 : 3e-2;
}

/* And beside that: what numbers of the type near 0 are rounded to. */
static double
step(enum tr_type type)
{
	return type == TR_F16 ? 0x1p-24 : 0;
}

/* A row of expert e's results against plain loops over the same row; f is its alone. */
static int
check_row(struct eplayer *l, const struct ffn *f, uint32_t e, const void *x, const void *got)
{
	float *in = malloc((l->d + 1) * sizeof *in);
	double *want = malloc((l->d + 1) * sizeof *want), most = 0, off = 0;
	int r = 0;

	if (!in || !want)
		r = ep_fail(l->ep, "no memory");
	for (uint64_t i = 0; i < l->d && r == 0; i++)
		in[i] = number(l->type, x, i);
	if (r == 0)
		ffn_plain(f, 0, 1, in, want);
	for (uint64_t i = 0; i < l->d && r == 0; i++) {
		double d = fabs(number(l->type, got, i) - want[i]);

		most = fmax(most, fabs(want[i]));
		off = d > off || d != d ? d : off;
	}
	if (r == 0 && !(off <= tolerance(l->type) * most + step(l->type)))
		r = ep_fail(l->ep, "expert %u is %g off where the greatest is %g", e, off, most);
	free(in);
	free(want);
	return r;
}

/* The first row of each expert that stayed, and the first that came. */
static int
check_experts(struct eplayer *l, const struct seen *s)
{
	struct eplayer_own *o = l->own;
	uint32_t first = (uint32_t)l->ep->rank * o->local;
	size_t b = l->d * tr_size(l->type), n = l->hidden * b;
	unsigned char *out = get(l, o->out, o->received * b),
		      *back = get(l, o->back, o->offsets[l->experts] * b);
	int r = out && back ? 0 : EP_EFAIL;

	for (uint32_t e = 0; e < o->local && r == 0; e++) {
		struct ffn f = {1, l->d, l->hidden, l->type, NULL, NULL, NULL};
		uint32_t at = o->offsets[first + e];
		uint64_t i = 0;

		f.w1 = get(l, (char *)o->w[0] + e * n, n);
		f.w3 = get(l, (char *)o->w[1] + e * n, n);
		f.w2 = get(l, (char *)o->w[2] + e * n, n);
		if (!f.w1 || !f.w3 || !f.w2)
			r = EP_EFAIL;
		if (r == 0 && at < o->offsets[first + e + 1])
			r = check_row(l, &f, first + e, s->packed + at * b, back + at * b);
		while (i < o->received && l->own->host_expert[i] != e)
			i++;
		if (r == 0 && i < o->received)
			r = check_row(l, &f, first + e, s->in + i * b, out + i * b);
		free((void *)f.w1);
		free((void *)f.w3);
		free((void *)f.w2);
	}
	free(out);
	free(back);
	return r;
}

/* Both ways the same tokens, as far as products of other numbers of rows agree. */
static int
check_same(struct eplayer *l, const void *apart)
{
	size_t n = l->rows * l->d;
	void *y = get(l, l->own->y, n * tr_size(l->type));
	int r = y ? 0 : EP_EFAIL;

	for (uint64_t t = 0; t < l->rows && r == 0; t++) {
		double most = 0, off = 0;

		for (uint64_t i = t * l->d; i < (t + 1) * l->d; i++) {
			double a = number(l->type, apart, i), d = fabs(number(l->type, y, i) - a);

			most = fmax(most, fabs(a));
			off = d > off || d != d ? d : off;
		}
		if (!(off <= tolerance(l->type) * most + step(l->type)))
			r = ep_fail(l->ep, "token %llu is %g off when overlapped",
				    (unsigned long long)t, off);
	}
	free(y);
	return r;
}

static int
check_real(struct eplayer *l, enum router_strategy a)
{
	struct eplayer_overlap o;
	double us[EPLAYER_PHASES];
	struct seen s = {0};
	int r = spoil(l);

	if (r == 0)
		r = eplayer_apart(l, a, us);
	if (r == 0)
		r = look(l, a, &s);
	if (r == 0)
		r = check_experts(l, &s);
	if (r == 0)
		r = spoil(l);
	if (r == 0)
		r = eplayer_overlapped(l, a, &o);
	if (r == 0)
		r = check_same(l, s.y);
	seen_free(&s);
	return r;
}

int
eplayer_check(struct eplayer *l, enum router_strategy a)
{
	struct router_result route;
	enum rules_score score = l->router.s.score;
	int combine = l->combine, r = eplayer_told(l, router_check(&l->router, a, &route));

	if (r == 0 && strcmp(route.check, "ok"))
		r = ep_fail(l->ep, "the route differs: %s", route.check);
	l->combine = 1;
	l->own->identity = 1;
	/* logits for weights: those of a token that add up to 1 hide whose they are */
	l->router.s.score = RULES_NONE;
	if (r == 0)
		r = check_identity(l, a, 0);
	if (r == 0)
		r = check_identity(l, a, 1);
	l->own->identity = 0;
	l->router.s.score = score;
	if (r == 0 && l->hidden)
		r = check_real(l, a);
	l->combine = combine;
	return r;
}
