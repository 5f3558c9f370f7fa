/*
 * One pass.  Repeats: a stamp an expert.  Id lists: the frequent-items sketch
 * (Misra and Gries 1982, emptied by half as in DataSketches): 1024 lists are
 * counted; when they are full, the smaller half goes.  What a list loses is
 * at most rows / 512, and nothing where a layer has fewer than 1024 lists.
 * Copies: two CRC-32C of the bytes of ids and of w, in order, whatever the frames.
 */
#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "crc32c.h"
#include "findings.h"
#include "rows.h"
#include "size.h"

enum {
	SLOTS = 2048,
	KEPT = SLOTS / 2,
	NAMED = 16, /* lists whose ids are remembered: those with an eighth of the rows */
	FLOATS = 8192,
	LEAST = 4,  /* rows that one list must have to be a finding */
	PICKS = 16, /* numbers that a layer must have to be a copy, not chance */
};

struct slot {
	uint64_t hash; /* 0: free */
	uint64_t n;
};

struct layer {
	struct find_layer is;
	struct slot *slot;
	size_t nslot;
	struct {
		uint64_t hash;
		int k;
		uint16_t ids[FIND_IDS];
	} named[NAMED];
	unsigned nnamed;
	uint32_t idsum, wsum, idsize, k;
	uint64_t nids, nw, lists; /* lists: how many are possible, cut at 2^20 */
};

struct finder {
	struct layer *layer;
	size_t n, cap, last;
	uint32_t *stamp, now; /* [65536] */
	float *w;
	size_t capw;
};

struct finder *
finder_new(void)
{
	struct finder *f = calloc(1, sizeof *f);

	if (f && !(f->stamp = calloc(65536, sizeof *f->stamp))) {
		free(f);
		f = NULL;
	}
	return f;
}

void
finder_free(struct finder *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n; i++)
		free(f->layer[i].slot);
	free(f->layer);
	free(f->stamp);
	free(f->w);
	free(f);
}

static struct layer *
of(struct finder *f, uint64_t number)
{
	struct layer *l;

	if (f->last < f->n && f->layer[f->last].is.layer == number)
		return &f->layer[f->last];
	for (f->last = 0; f->last < f->n; f->last++)
		if (f->layer[f->last].is.layer == number)
			return &f->layer[f->last];
	if (f->n == f->cap) {
		size_t cap = f->cap ? 2 * f->cap : 16;
		void *p = realloc(f->layer, cap * sizeof *f->layer);

		if (!p)
			return NULL;
		f->layer = p;
		f->cap = cap;
	}
	l = &f->layer[f->n];
	memset(l, 0, sizeof *l);
	l->is.layer = number;
	if (!(l->slot = calloc(SLOTS, sizeof *l->slot)))
		return NULL;
	f->n++;
	return l;
}

static void
note(struct find_at *a, uint64_t batch, uint64_t row, double value)
{
	if (a->n++)
		return;
	a->batch = batch;
	a->row = row;
	a->value = value;
}

/* ---- id lists ---- */

static struct slot *
find_slot(struct layer *l, uint64_t hash)
{
	size_t i = hash & (SLOTS - 1);

	while (l->slot[i].hash && l->slot[i].hash != hash)
		i = (i + 1) & (SLOTS - 1);
	return &l->slot[i];
}

/* The median of the counts, no more than 255. */
static uint64_t
median(const struct slot *slot)
{
	size_t of_count[256] = {0}, ones = 0, below = 0;
	uint64_t m = 0;

	for (size_t i = 0; i < SLOTS; i++)
		ones += slot[i].n == 1;
	if (ones >= KEPT / 2) /* the usual case */
		return 1;
	for (size_t i = 0; i < SLOTS; i++)
		of_count[MIN(slot[i].n, (uint64_t)255)]++;
	while (m < 255 && below < KEPT / 2)
		below += of_count[++m];
	return m;
}

/* Take the median from all counts: half of them, or more, are gone. */
static void
purge(struct layer *l)
{
	struct slot keep[KEPT + 1];
	uint64_t m = median(l->slot);
	size_t n = 0;

	for (size_t i = 0; i < SLOTS; i++) {
		keep[n] = l->slot[i]; /* no branch: what stays is a toss */
		keep[n].n -= m;
		n += l->slot[i].n > m;
	}
	memset(l->slot, 0, SLOTS * sizeof *l->slot);
	for (size_t i = 0; i < n; i++)
		*find_slot(l, keep[i].hash) = keep[i];
	l->nslot = n;
	l->is.lost += m;
}

static uint16_t
id_at(const struct tr_ids *ids, uint64_t i)
{
	uint32_t id = tr_id(ids, i);

	return id == UINT32_MAX ? UINT16_MAX : (uint16_t)id;
}

/*
 * Called when a count reaches a power of two.  A list that ends above a
 * quarter had more than an eighth when it last did, so it is among these.
 */
static void
name_list(struct layer *l, uint64_t hash, const struct tr_ids *ids, uint64_t row)
{
	unsigned i = 0;

	while (i < MIN(l->nnamed, (unsigned)NAMED) && l->named[i].hash != hash)
		i++;
	if (i < MIN(l->nnamed, (unsigned)NAMED))
		return;
	i = l->nnamed++ % NAMED;
	l->named[i].hash = hash;
	l->named[i].k = (int)MIN(ids->k, (uint32_t)FIND_IDS);
	for (int k = 0; k < l->named[i].k; k++)
		l->named[i].ids[k] = id_at(ids, row * ids->k + (uint32_t)k);
}

static inline void
count_list(struct layer *l, uint64_t hash, const struct tr_ids *ids, uint64_t row)
{
	struct slot *s;

	hash += !hash;
	s = find_slot(l, hash);
	if (s->hash) {
		s->n++;
		if ((s->n & (s->n - 1)) == 0 && s->n * 8 > l->is.rows + row)
			name_list(l, hash, ids, row);
		return;
	}
	s->hash = hash;
	s->n = 1;
	if (++l->nslot >= KEPT)
		purge(l);
}

static inline uint64_t
mix(uint64_t h, uint64_t x)
{
	h = (h ^ x) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 29;
}

static inline uint64_t
hash_row(const unsigned char *p, size_t n)
{
	uint64_t h = n, x = 0;

	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&x, p, 8);
		h = mix(h, x);
	}
	x = 0;
	memcpy(&x, p, n);
	return n ? mix(h, x) : h;
}

/* Rows of ids: repeats and lists.  Made for each type. */
#define SCAN(NAME, TYPE, EMPTY)                                                                    \
	static inline void NAME(struct finder *f, struct layer *l, const struct tr_ids *ids,       \
				const TYPE *p, uint64_t from, uint64_t to, uint64_t batch,         \
				struct rows *rows)                                                 \
	{                                                                                          \
		uint32_t *stamp = f->stamp, k = ids->k;                                            \
                                                                                                   \
		for (uint64_t r = from; r < to; r++) {                                             \
			const TYPE *id = p + r * k;                                                \
			unsigned twice = 0, some = 0;                                              \
                                                                                                   \
			if (++f->now == 0) {                                                       \
				memset(stamp, 0, 65536 * sizeof *stamp);                           \
				f->now = 1;                                                        \
			}                                                                          \
			for (uint32_t i = 0; i < k; i++) {                                         \
				unsigned real = id[i] != (TYPE)(EMPTY);                            \
                                                                                                   \
				some |= real;                                                      \
				twice |= real & (stamp[id[i]] == f->now);                          \
				stamp[id[i]] = f->now;                                             \
			}                                                                          \
			if (twice)                                                                 \
				note(&l->is.repeat, batch, rows_at(rows, r), 0);                   \
			if (some)                                                                  \
				count_list(l, hash_row((const unsigned char *)id, k * sizeof *id), \
					   ids, r);                                                \
		}                                                                                  \
	}
SCAN(scan8, uint8_t, UINT8_MAX)
SCAN(scan16, uint16_t, UINT16_MAX)

/* Are two of the k bytes of x equal?  Each is held against those 1 .. k/2
 * places on, all at once; y has a zero byte then (Mycroft's test). */
static inline int
has_equal(uint64_t x, uint32_t k, uint64_t lanes)
{
	uint64_t zero = 0;

	for (uint32_t d = 1; d <= k / 2; d++) {
		uint64_t y = x ^ (x >> 8 * d | x << 8 * (k - d));

		zero |= (y - UINT64_C(0x0101010101010101)) & ~y & lanes;
	}
	return (zero & UINT64_C(0x8080808080808080)) != 0;
}

/* Rows of at most eight bytes, a word a row; those that may have a repeat
 * (empty slots are equal too) go through scan8. */
static inline void
scan_words(struct finder *f, struct layer *l, const struct tr_ids *ids, uint32_t k, uint64_t batch,
	   struct rows *rows)
{
	uint64_t lanes = UINT64_MAX >> (64 - 8 * k);
	uint64_t whole = ids->rows < 8 ? 0 : ids->rows - 7; /* eight bytes of these can be read */

	for (uint64_t r = 0; r < whole; r++) {
		uint64_t x;

		memcpy(&x, ids->u8 + r * k, 8);
		x &= lanes;
		if (k > 1 && has_equal(x, k, lanes))
			scan8(f, l, ids, ids->u8, r, r + 1, batch, rows);
		else if (x != lanes)
			count_list(l, mix(k, x), ids, r);
	}
	scan8(f, l, ids, ids->u8, whole, ids->rows, batch, rows);
}

static void
scan(struct finder *f, struct layer *l, const struct tr_ids *ids, uint64_t batch, struct rows *rows)
{
	if (ids->u16)
		scan16(f, l, ids, ids->u16, 0, ids->rows, batch, rows);
	else if (ids->k == 6)
		scan_words(f, l, ids, 6, batch, rows);
	else if (ids->k == 8)
		scan_words(f, l, ids, 8, batch, rows);
	else if (ids->k < 8)
		scan_words(f, l, ids, ids->k, batch, rows);
	else
		scan8(f, l, ids, ids->u8, 0, ids->rows, batch, rows);
}

/* ---- numbers ---- */

/* What rounding to the type may add to a sum of shares; printed weights, that
 * have four digits, come as f32. */
static float
limit(enum tr_type type)
{
	return type == TR_BF16 ? 1 + 0x1p-6f : type == TR_F64 ? 1.001f : 1 + 0x1p-9f;
}

/* One row of w that failed the quick test. */
static void
judge(struct layer *l, const float *w, uint32_t k, float most, uint64_t batch, uint64_t row)
{
	int infinite = 0, negative = 0;
	float sum = 0;

	for (uint32_t i = 0; i < k; i++) {
		infinite |= !(w[i] <= FLT_MAX && w[i] >= -FLT_MAX);
		negative |= w[i] < 0;
		sum += w[i];
	}
	if (infinite)
		note(&l->is.infinite, batch, row, 0);
	else if (negative)
		note(&l->is.negative, batch, row, 0);
	else if (sum > most)
		note(&l->is.above, batch, row, sum);
}

static inline void
sums(struct layer *l, const float *w, uint64_t n, uint32_t k, float most, uint64_t batch,
     struct rows *rows, uint64_t first)
{
	for (uint64_t r = 0; r < n; r++, w += k) {
		float sum = 0;
		unsigned below = 0;

		for (uint32_t i = 0; i < k; i++) {
			sum += w[i];
			below |= w[i] < 0;
		}
		if (below || !(sum <= most)) /* a NaN is not <= anything */
			judge(l, w, k, most, batch, rows_at(rows, first + r));
	}
}

/* Rows of a column as floats, a block at a time, to see(). */
static int
each_block(struct finder *f, const struct tr_col *c, struct layer *l, uint64_t batch,
	   struct rows *rows,
	   void (*see)(struct layer *l, const float *x, uint64_t n, uint32_t width, float most,
		       uint64_t batch, struct rows *rows, uint64_t first),
	   float most)
{
	uint64_t block = MAX((uint64_t)1, FLOATS / (uint64_t)c->width);
	int e;

	if (block * c->width > f->capw) {
		free(f->w);
		f->capw = 0;
		if (!(f->w = malloc(block * c->width * sizeof *f->w)))
			return TR_ENOMEM;
		f->capw = block * c->width;
	}
	for (uint64_t r = 0; r < c->rows; r += block) {
		uint64_t n = MIN(block, c->rows - r);

		if ((e = col_f32(c, r * c->width, n * c->width, f->w)) < 0)
			return e;
		see(l, f->w, n, c->width, most, batch, rows, r);
	}
	return 0;
}

static void
see_w(struct layer *l, const float *w, uint64_t n, uint32_t k, float most, uint64_t batch,
      struct rows *rows, uint64_t first)
{
	switch (k) {
	case 2:
		sums(l, w, n, 2, most, batch, rows, first);
		break;
	case 6:
		sums(l, w, n, 6, most, batch, rows, first);
		break;
	case 8:
		sums(l, w, n, 8, most, batch, rows, first);
		break;
	default:
		sums(l, w, n, k, most, batch, rows, first);
	}
}

static void
see_logit(struct layer *l, const float *x, uint64_t n, uint32_t width, float most, uint64_t batch,
	  struct rows *rows, uint64_t first)
{
	for (uint64_t r = 0; r < n; r++, x += width) {
		unsigned bad = 0;

		for (uint32_t i = 0; i < width; i++)
			bad |= x[i] != x[i]; /* -inf is a masked expert */
		if (bad)
			note(&l->is.nan, batch, rows_at(rows, first + r), 0);
	}
}

static void
see_p(struct layer *l, const float *x, uint64_t n, uint32_t width, float most, uint64_t batch,
      struct rows *rows, uint64_t first)
{
	for (uint64_t r = 0; r < n; r++, x += width) {
		unsigned bad = 0;

		for (uint32_t i = 0; i < width; i++)
			bad |= !(x[i] >= 0 && x[i] <= 1);
		if (bad)
			note(&l->is.p, batch, rows_at(rows, first + r), 0);
	}
}

/* ---- frames ---- */

/* How many id lists of k of experts there are. */
static uint64_t
possible(uint64_t experts, uint32_t k)
{
	uint64_t n = 1;

	for (uint32_t i = 0; i < k && experts > i && n < 1 << 20; i++)
		n *= experts - i;
	return MIN(n, (uint64_t)1 << 20);
}

int
finder_add(struct finder *f, const struct tr_frame *route, const struct tr_ids *ids,
	   uint64_t experts, int are_shares)
{
	uint64_t batch = tr_get(route, "batch", 0);
	struct layer *l = of(f, tr_get(route, "layer", 0));
	struct rows rows;
	struct tr_col c;
	int e;

	if (!l)
		return TR_ENOMEM;
	if (!route->rows)
		return 0;
	if ((e = rows_open(&rows, route)) < 0)
		return e;
	if (ids->k) {
		l->lists = possible(experts, ids->k);
		scan(f, l, ids, batch, &rows);
		l->k = ids->k;
		l->idsize = ids->u8 ? 1 : 2;
		l->nids += ids->rows * ids->k;
		l->idsum = crc32c(l->idsum, ids->u8 ? (const void *)ids->u8 : ids->u16,
				  ids->rows * ids->k * l->idsize);
	}
	if ((e = tr_col(route, "w", &c)) < 0)
		return e;
	if (e > 0) {
		e = each_block(f, &c, l, batch, &rows, see_w, are_shares ? limit(c.type) : FLT_MAX);
		l->wsum = crc32c(l->wsum, c.data, c.rows * c.width * c.size);
		l->nw += c.rows * c.width * c.size;
	}
	if (e >= 0 && (e = tr_col(route, "logit", &c)) > 0)
		e = each_block(f, &c, l, batch, &rows, see_logit, 0);
	if (e >= 0 && (e = tr_col(route, "p", &c)) > 0)
		e = each_block(f, &c, l, batch, &rows, see_p, 0);
	l->is.rows += route->rows;
	return MIN(e, 0);
}

static int
by_layer(const void *a, const void *b)
{
	const struct layer *x = a, *y = b;

	return (x->is.layer > y->is.layer) - (x->is.layer < y->is.layer);
}

/* The commonest list, if it has over a quarter of the rows, and not merely
 * because there are so few lists. */
static void
warm_up(struct layer *l)
{
	struct slot top = {0, 0};

	for (size_t i = 0; i < SLOTS; i++)
		if (l->slot[i].hash && l->slot[i].n > top.n)
			top = l->slot[i];
	if (top.n < LEAST || top.n <= l->is.rows / 4 || top.n * l->lists <= 4 * l->is.rows)
		return;
	l->is.same = top.n;
	for (unsigned i = 0; i < MIN(l->nnamed, (unsigned)NAMED); i++)
		if (l->named[i].hash == top.hash) {
			l->is.k = l->named[i].k;
			memcpy(l->is.ids, l->named[i].ids, sizeof l->is.ids);
		}
}

size_t
finder_end(struct finder *f)
{
	if (f->n)
		qsort(f->layer, f->n, sizeof *f->layer, by_layer);
	f->last = f->n;
	for (size_t i = 0; i < f->n; i++) {
		struct layer *l = &f->layer[i];

		warm_up(l);
		for (size_t j = 0; j < i && !l->is.is_copy && l->nids >= PICKS; j++) {
			const struct layer *o = &f->layer[j];

			if (l->nids == o->nids && l->nw == o->nw && l->idsum == o->idsum &&
			    l->wsum == o->wsum && l->k == o->k && l->idsize == o->idsize) {
				l->is.is_copy = 1;
				l->is.of = o->is.layer;
			}
		}
	}
	return f->n;
}

const struct find_layer *
finder_at(const struct finder *f, size_t i)
{
	return &f->layer[i].is;
}
