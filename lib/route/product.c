#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "../core/pool.h"
#include "../core/size.h"
#include "product.h"
#include "widen.h"

/* Rows, columns and terms of a piece.  OpenBLAS packs w anew for each piece: 512 rows lose
 * less by that than they gain by the cache, where n is 64 and d 4096. */
enum { ROWS = 512, COLS = 1024, TERMS = 512 };

static atomic_int threads = 1;

#ifdef HAVE_OPENBLAS
#include <cblas.h>

/* What it packs pieces in: one a product under way, kept for the next. */
void *blas_memory_alloc(int unused) __attribute__((weak));
void blas_memory_free(void *p) __attribute__((weak));

enum { BUFFERS = 48, BUFFER = 160 << 20 }; /* 128 MiB each, and what malloc needs for it */

/* Where OpenBLAS gets no buffer it asks again without end: all of them while there is room,
 * with those of earlier calls and of its own threads, which take theirs when they please. */
static int
buffers(int jobs)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static int had;
	void *all[BUFFERS], *probe = NULL;
	int n = MIN(MAX(jobs, 1), BUFFERS), more;

	if (!blas_memory_alloc || !blas_memory_free)
		return 0;
	pthread_mutex_lock(&lock);
	more = MIN(n + (had ? 0 : openblas_get_num_threads() - 1), BUFFERS - had);
	if (more > 0 && (probe = malloc((size_t)more * BUFFER))) {
		free(probe);
		had += more;
		for (int i = 0; i < had; i++)
			all[i] = blas_memory_alloc(0);
		for (int i = 0; i < had; i++)
			blas_memory_free(all[i]);
	}
	pthread_mutex_unlock(&lock);
	return more > 0 && !probe ? TR_ENOMEM : 0;
}
#else
static int
buffers(int jobs)
{
	return 0;
}
#endif

int
product_jobs(int jobs)
{
	threads = jobs;
	return buffers(jobs);
}

#ifdef HAVE_OPENBLAS

/* Threads are ours alone: its own would make bits depend on their number, and would be
 * one pool for all of our threads. */
static void
alone(void)
{
	openblas_set_num_threads(1);
}

const char *
product_library(void)
{
	return openblas_get_config();
}

void
product_part(int flags, const float *x, uint64_t ldx, const float *w, uint64_t ldw, float *y,
	     uint64_t ldy, uint64_t rows, uint64_t n, uint64_t d)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, alone);
	if (rows && n)
		cblas_sgemm(CblasRowMajor, flags & PRODUCT_COLUMNS ? CblasTrans : CblasNoTrans,
			    CblasTrans, (blasint)rows, (blasint)n, (blasint)d, 1, x,
			    (blasint)MAX(ldx, 1), w, (blasint)MAX(ldw, 1), flags & PRODUCT_ADD, y,
			    (blasint)ldy);
}
#else
const char *
product_library(void)
{
	return "plain";
}

enum { TALL = 4, WIDE = 8 }; /* sums kept in registers */
typedef float vec __attribute__((vector_size(4 * WIDE)));

/* TALL x WIDE sums over d terms: of x, whose rows lie right apart and terms down, and of a
 * panel [d][WIDE]. */
static void
tile(const float *x, uint64_t right, uint64_t down, const vec *panel, uint64_t d, vec sum[TALL])
{
	vec a = {0}, b = {0}, c = {0}, e = {0};

	for (uint64_t k = 0; k < d; k++, x += down) {
		a += panel[k] * x[0];
		b += panel[k] * x[right];
		c += panel[k] * x[2 * right];
		e += panel[k] * x[3 * right];
	}
	sum[0] = a;
	sum[1] = b;
	sum[2] = c;
	sum[3] = e;
}

void
product_part(int flags, const float *x, uint64_t ldx, const float *w, uint64_t ldw, float *y,
	     uint64_t ldy, uint64_t rows, uint64_t n, uint64_t d)
{
	uint64_t right = flags & PRODUCT_COLUMNS ? 1 : ldx;
	uint64_t down = flags & PRODUCT_COLUMNS ? ldx : 1;

	for (uint64_t i = 0; i < rows && !(flags & PRODUCT_ADD); i++)
		memset(y + i * ldy, 0, n * sizeof *y);
	for (uint64_t j = 0; j < n; j += WIDE)
		for (uint64_t k = 0; k < d; k += TERMS) {
			uint64_t wide = MIN(n - j, WIDE), terms = MIN(d - k, TERMS);
			vec panel[TERMS] = {0}, sum[TALL];

			for (uint64_t c = 0; c < wide; c++)
				for (uint64_t t = 0; t < terms; t++)
					panel[t][c] = w[(j + c) * ldw + k + t];
			for (uint64_t i = 0; i < rows; i += TALL) {
				/* rows of zeros where fewer than TALL are left */
				float edge[TALL * TERMS];
				uint64_t tall = MIN(rows - i, TALL);
				const float *from = x + i * right + k * down;

				for (uint64_t r = 0; tall < TALL && r < TALL; r++)
					for (uint64_t t = 0; t < terms; t++)
						edge[t * TALL + r] =
							r < tall ? from[r * right + t * down] : 0;
				if (tall < TALL)
					tile(edge, 1, TALL, panel, terms, sum);
				else
					tile(from, right, down, panel, terms, sum);
				for (uint64_t r = 0; r < tall; r++)
					for (uint64_t c = 0; c < wide; c++)
						y[(i + r) * ldy + j + c] += sum[r][c];
			}
		}
}
#endif

/* Pieces of one product. */
struct cut {
	enum tr_type type;
	const char *x, *w;
	char *y;
	uint64_t rows, n, d, size, tall, wide; /* size of a number; pieces down and across */
	int jobs;
	atomic_size_t next;
	float *room; /* of each thread: x, w and y of a piece in f32 */
};

static uint64_t
room(const struct cut *c)
{
	uint64_t rows = MIN(c->rows, ROWS), n = MIN(c->n, COLS), d = MIN(c->d, TERMS);

	return size_align((rows + n) * d + rows * n, 64);
}

/* Piece i; room is unused where type is f32. */
static void
piece(const struct cut *c, uint64_t i, float *x)
{
	uint64_t r = i % c->tall * ROWS, col = i / c->tall * COLS;
	uint64_t rows = MIN(c->rows - r, ROWS), n = MIN(c->n - col, COLS);
	char *to = c->y + (r * c->n + col) * c->size;
	float *w = x + rows * MIN(c->d, TERMS), *y = w + n * MIN(c->d, TERMS);

	if (c->type == TR_F32) {
		product_part(0, (const float *)c->x + r * c->d, c->d,
			     (const float *)c->w + col * c->d, c->d, (float *)to, c->n, rows, n,
			     c->d);
		return;
	}
	memset(y, 0, rows * n * sizeof *y);
	for (uint64_t k = 0; k < c->d; k += TERMS) {
		uint64_t d = MIN(c->d - k, TERMS);

		widen_rows(c->type, c->x + (r * c->d + k) * c->size, c->d, rows, d, x);
		widen_rows(c->type, c->w + (col * c->d + k) * c->size, c->d, n, d, w);
		product_part(PRODUCT_ADD, x, d, w, d, y, n, rows, n, d);
	}
	for (uint64_t k = 0; k < rows; k++)
		narrow(c->type, y + k * n, n, to + k * c->n * c->size);
}

static void
work(void *arg, size_t thread)
{
	struct cut *c = arg;
	float *mine = c->room ? c->room + thread * room(c) : NULL;
	size_t i;

	while ((i = atomic_fetch_add(&c->next, 1)) < c->tall * c->wide)
		piece(c, i, mine);
}

int
product(enum tr_type type, const void *x, const void *w, void *y, uint64_t rows, uint64_t n,
	uint64_t d)
{
	struct cut c = {type, x, w, y, rows, n, d, tr_size(type)};

	c.tall = (rows + ROWS - 1) / ROWS;
	c.wide = (n + COLS - 1) / COLS;
	c.jobs = (int)MIN((uint64_t)threads, c.tall * c.wide);
	if (!c.jobs)
		return 0;
	if (type != TR_F32 && !(c.room = malloc((size_t)c.jobs * room(&c) * sizeof *c.room)))
		return TR_ENOMEM;
	pool_each(c.jobs, (size_t)c.jobs, work, &c);
	free(c.room);
	return 0;
}

void
product_f32(const float *x, const float *w, float *y, uint64_t rows, uint64_t n, uint64_t d)
{
	product(TR_F32, x, w, y, rows, n, d); /* which needs no memory */
}

void
product_plain(const float *x, const float *w, double *y, uint64_t rows, uint64_t n, uint64_t d)
{
	for (uint64_t i = 0; i < rows; i++)
		for (uint64_t j = 0; j < n; j++) {
			double s = 0;

			for (uint64_t k = 0; k < d; k++)
				s += (double)x[i * d + k] * w[j * d + k];
			y[i * n + j] = s;
		}
}
