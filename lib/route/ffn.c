#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "../core/pool.h"
#include "../core/size.h"
#include "ffn.h"
#include "product.h"
#include "widen.h"

/* A block's two activations are 1 MiB, about a second-level cache. */
enum { ROWS = 256, HIDDEN = 512 };

/* Blocks of rows, each an expert's, and who works on them. */
struct blocks {
	const struct ffn *f;
	const uint32_t *offsets;
	const char *x;
	char *to;
	uint64_t size;   /* of a number */
	uint64_t *first; /* [experts + 1]: blocks before each expert's */
	atomic_size_t next;
	uint64_t rows; /* the most of a block */
	uint64_t n;    /* numbers of a thread's room */
	float *room;
};

/* Room of a thread: gate and up of a block, and where type is not f32, its rows, what
 * comes out, and a block of weights. */
static uint64_t
room(const struct ffn *f, uint64_t rows)
{
	uint64_t hidden = MIN(f->hidden, HIDDEN), n = 2 * rows * hidden;

	return size_align(f->type == TR_F32 ? n : n + 2 * rows * f->d + hidden * f->d, 16);
}

/* n rows of weights, each d long and ld apart, in f32; *out is how far apart then. */
static const float *
weights(const struct ffn *f, const void *w, uint64_t at, uint64_t ld, uint64_t n, uint64_t d,
	float *to, uint64_t *out)
{
	const char *from = (const char *)w + at * tr_size(f->type);

	*out = f->type == TR_F32 ? ld : d;
	if (f->type == TR_F32)
		return (const float *)from;
	widen_rows(f->type, from, ld, n, d, to);
	return to;
}

/*
 * The rows of a block through all of the hidden width, a piece of it after the other:
 * activations are kept as [hidden][rows], since a product runs best with the longer
 * matrix first.
 */
static void
block(const struct blocks *b, uint32_t expert, uint64_t row, uint64_t rows, float *mine)
{
	const struct ffn *f = b->f;
	uint64_t d = f->d, most = MIN(f->hidden, HIDDEN), ld;
	uint64_t all = (uint64_t)expert * f->hidden * d;
	float *gate = mine, *up = gate + rows * most, *wide = up + rows * most;
	float *out = wide + rows * d, *w = out + rows * d;
	const float *x = (const float *)(b->x + row * d * b->size), *p;

	if (f->type != TR_F32) {
		widen(f->type, x, rows * d, wide);
		x = wide;
	} else {
		out = (float *)(b->to + row * d * b->size);
	}
	for (uint64_t h = 0; h < f->hidden; h += HIDDEN) {
		uint64_t n = MIN(f->hidden - h, HIDDEN);

		p = weights(f, f->w1, all + h * d, d, n, d, w, &ld);
		product_part(0, p, ld, x, d, gate, rows, n, rows, d);
		p = weights(f, f->w3, all + h * d, d, n, d, w, &ld);
		product_part(0, p, ld, x, d, up, rows, n, rows, d);
		ffn_silu(gate, up, n * rows);
		p = weights(f, f->w2, all + h, f->hidden, d, n, w, &ld);
		product_part(PRODUCT_COLUMNS | (h ? PRODUCT_ADD : 0), gate, rows, p, ld, out, d,
			     rows, d, n);
	}
	if (f->type != TR_F32)
		narrow(f->type, out, rows * d, b->to + row * d * b->size);
}

static void
work(void *arg, size_t thread)
{
	struct blocks *b = arg;
	uint32_t e = 0;
	uint64_t i;

	while ((i = atomic_fetch_add(&b->next, 1)) < b->first[b->f->experts]) {
		while (b->first[e + 1] <= i) /* a thread's blocks ascend */
			e++;
		uint64_t n = b->first[e + 1] - b->first[e],
			 rows = b->offsets[e + 1] - b->offsets[e];

		i -= b->first[e]; /* blocks of an expert are as long as one another */
		block(b, e, b->offsets[e] + rows * i / n, rows * (i + 1) / n - rows * i / n,
		      b->room + thread * b->n);
	}
}

static int
grouped(struct blocks *b, int jobs)
{
	const struct ffn *f = b->f;
	size_t n;

	if (!(b->first = calloc((size_t)f->experts + 1, sizeof *b->first)))
		return TR_ENOMEM;
	for (uint32_t e = 0; e < f->experts; e++) {
		uint64_t rows = b->offsets[e + 1] - b->offsets[e];

		b->rows = MAX(b->rows, MIN(rows, ROWS));
		b->first[e + 1] = b->first[e] + (rows + ROWS - 1) / ROWS;
	}
	jobs = (int)MIN((uint64_t)jobs, b->first[f->experts]);
	b->n = room(f, b->rows);
	if (jobs && size_mul((size_t)jobs * sizeof *b->room, b->n, &n) == 0)
		b->room = aligned_alloc(64, n);
	if (b->room)
		pool_each(jobs, (size_t)jobs, work, b);
	free(b->room);
	free(b->first);
	return jobs && !b->room ? TR_ENOMEM : 0;
}

/* The activations of a whole expert, cut among threads. */
struct act {
	enum tr_type type;
	uint64_t n;
	char *gate;
	const char *up;
};
enum { ACT = 4096 };

static void
act(void *arg, size_t i)
{
	const struct act *a = arg;
	uint64_t n = MIN(a->n - i * ACT, ACT), at = i * ACT * tr_size(a->type);
	float gate[ACT], up[ACT];

	widen(a->type, a->gate + at, n, gate);
	widen(a->type, a->up + at, n, up);
	ffn_silu(gate, up, n);
	narrow(a->type, gate, n, a->gate + at);
}

static int
loop(const struct blocks *b, int jobs)
{
	const struct ffn *f = b->f;
	uint64_t most = 0, matrix = f->hidden * f->d * b->size;
	size_t n;
	char *gate = NULL;
	int r = 0;

	for (uint32_t e = 0; e < f->experts; e++)
		most = MAX(most, b->offsets[e + 1] - b->offsets[e]);
	if (!most)
		return 0;
	if (size_mul(2 * most * b->size, f->hidden, &n) < 0 || !(gate = malloc(n)))
		return TR_ENOMEM;
	for (uint32_t e = 0; e < f->experts && r == 0; e++) {
		uint64_t rows = b->offsets[e + 1] - b->offsets[e], at = e * matrix;
		uint64_t row = b->offsets[e] * f->d * b->size;
		struct act a = {f->type, rows * f->hidden, gate, gate + n / 2};

		if (!rows)
			continue;
		if ((r = product(f->type, b->x + row, (const char *)f->w1 + at, gate, rows,
				 f->hidden, f->d)) < 0 ||
		    (r = product(f->type, b->x + row, (const char *)f->w3 + at, gate + n / 2, rows,
				 f->hidden, f->d)) < 0)
			break;
		pool_each(jobs, (a.n + ACT - 1) / ACT, act, &a);
		r = product(f->type, gate, (const char *)f->w2 + at, b->to + row, rows, f->d,
			    f->hidden);
	}
	free(gate);
	return r;
}

int
ffn_rows(const struct ffn *f, enum ffn_how how, const uint32_t *offsets, const void *x, void *to,
	 int jobs)
{
	struct blocks b = {f, offsets, x, to, tr_size(f->type)};

	return how == FFN_LOOP ? loop(&b, jobs) : grouped(&b, jobs);
}

/* y [rows][n] = x [rows][d] w^T, of rows of w from at; line has room for one. */
static void
plain(const struct ffn *f, const void *w, uint64_t at, const double *x, double *y, uint64_t rows,
      uint64_t n, uint64_t d, float *line)
{
	for (uint64_t j = 0; j < n; j++) {
		widen(f->type, (const char *)w + (at + j * d) * tr_size(f->type), d, line);
		for (uint64_t r = 0; r < rows; r++) {
			double s = 0;

			for (uint64_t k = 0; k < d; k++)
				s += x[r * d + k] * line[k];
			y[r * n + j] = s;
		}
	}
}

int
ffn_plain(const struct ffn *f, uint32_t expert, uint64_t rows, const float *x, double *to)
{
	uint64_t at = expert * f->hidden * f->d, n = rows * f->hidden;
	double *from = malloc((rows * f->d + 1) * sizeof *from);
	double *gate = malloc((2 * n + 1) * sizeof *gate), *up = gate + n;
	float *line = malloc(MAX(f->d, f->hidden) * sizeof *line);
	int r = from && gate && line ? 0 : TR_ENOMEM;

	if (r == 0) {
		for (uint64_t i = 0; i < rows * f->d; i++)
			from[i] = x[i];
		plain(f, f->w1, at, from, gate, rows, f->hidden, f->d, line);
		plain(f, f->w3, at, from, up, rows, f->hidden, f->d, line);
		for (uint64_t i = 0; i < n; i++)
			gate[i] *= up[i] / (1 + exp(-gate[i]));
		plain(f, f->w2, at, gate, to, rows, f->d, f->hidden, line);
	}
	free(from);
	free(gate);
	free(line);
	return r;
}
