/* Pieces of products: tiles are filled here, multiplied by what the processor has. */
#include <string.h>

#include "../core/size.h"
#include "../route/widen.h"
#include "dots.h"
#include "dotsisa.h"

/* Terms whose sums are made at once, longer ones by parts. */
enum { TERMS = 1024, LANES = DOTS_BYTES / 4 };

enum { PLAIN = 4, FOUR = 4 };
typedef float vec __attribute__((vector_size(4 * FOUR), aligned(4), may_alias));

static void
dots_plain(const struct dots_tile *t, uint64_t rows)
{
	for (uint64_t c = 0; c < t->n; c++) {
		vec sum[PLAIN] = {{0}};
		const char *x = t->x, *w = t->w + c * t->apart;

		for (uint64_t i = 0; i < t->steps; i++, w += t->step)
			for (uint64_t r = 0; r < rows; r++, x += DOTS_BYTES)
				for (int k = 0; k < LANES / FOUR; k++)
					sum[r] += ((const vec *)x)[k] * ((const vec *)w)[k];
		for (uint64_t r = 0; r < rows; r++) {
			const float all = (sum[r][0] + sum[r][1]) + (sum[r][2] + sum[r][3]);
			float *y = t->y + r * t->ldy + c;

			*y = t->add ? *y + all : all;
		}
	}
}

static int
always(void)
{
	return 1;
}

#if defined __x86_64__
static int
has_avx2(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static int
has_avx512(void)
{
	return has_avx2() && __builtin_cpu_supports("avx512f") &&
	       __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
	       __builtin_cpu_supports("avx512vl");
}

static int
has_bf16(void)
{
	return has_avx512() && __builtin_cpu_supports("avx512bf16");
}
#endif

/* The first that this processor has is taken.  bf16 NULL: such numbers are widened. */
static const struct isa {
	const char *name;
	int (*has)(void);
	uint64_t rows; /* of x in a tile, a divisor of DOTS_ROWS */
	dots_fn *f32, *bf16;
	int widens; /* f32 takes w of other types, too */
} isas[] = {
#if defined __x86_64__
	{"avx512bf16", has_bf16, DOTS_AVX512, dots_avx512, dots_avx512bf16, 1},
	{"avx512", has_avx512, DOTS_AVX512, dots_avx512, NULL, 1},
	{"avx2", has_avx2, DOTS_AVX2, dots_avx2, NULL, 0},
#endif
	{"plain", always, PLAIN, dots_plain, NULL, 0},
};

static const struct isa *chosen;

static const struct isa *
isa(void)
{
	const struct isa *i = __atomic_load_n(&chosen, __ATOMIC_RELAXED);

	if (!i) {
		for (i = isas; !i->has(); i++)
			;
		__atomic_store_n(&chosen, i, __ATOMIC_RELAXED);
	}
	return i;
}

const char *
dots_isa_name(void)
{
	return isa()->name;
}

int
dots_isa(const char *name)
{
	for (size_t i = 0; i < LEN(isas); i++)
		if (!strcmp(name, isas[i].name) && isas[i].has()) {
			__atomic_store_n(&chosen, &isas[i], __ATOMIC_RELAXED);
			return 0;
		}
	return -1;
}

/* x, a tile of w, a row on its way there, twice; of bf16 the tiles are half as large */
enum { XROOM = DOTS_ROWS * TERMS, WROOM = DOTS_WIDE * TERMS };

uint64_t
dots_room(void)
{
	return (XROOM + WROOM + 2 * TERMS) * sizeof(float);
}

/* n numbers of a row to their places in a tile of rows rows, filled up with zeros; half: as
 * bf16.  mid [2 * TERMS]. */
static void
spread(enum tr_type type, const void *from, uint64_t at, uint64_t n, int bf16, int half, float *mid,
       char *to, uint64_t rows)
{
	const char *p = (const char *)from + at * tr_size(type);
	const size_t size = n * (half ? 2 : 4);
	size_t i = 0;

	if (bf16 && type == TR_F16) {
		widen(type, p, n, mid);
		p = (const char *)mid;
		type = TR_F32;
	}
	if (bf16 && type == TR_F32) {
		narrow(TR_BF16, (const float *)p, n, mid + TERMS);
		p = (const char *)(mid + TERMS);
		type = TR_BF16;
	}
	if (!half && type != TR_F32) {
		widen(type, p, n, mid);
		p = (const char *)mid;
	}
	for (; i + DOTS_BYTES <= size; i += DOTS_BYTES, to += rows * DOTS_BYTES)
		memcpy(to, p + i, DOTS_BYTES);
	if (i < size) {
		memset(to, 0, DOTS_BYTES);
		memcpy(to, p + i, size - i);
	}
}

void
dots_piece(const struct dots *a, uint64_t row, uint64_t rows, uint64_t col, uint64_t n, void *room)
{
	const struct isa *v = isa();
	const int half = a->bf16 && v->bf16;
	dots_fn *fn = half ? v->bf16 : v->f32;
	const uint64_t size = half ? 2 : 4, turn = DOTS_BYTES / size;
	/* w is read where it lies */
	const int lies = a->bf16 ? a->wtype == TR_BF16 && (half || v->widens)
				 : a->wtype == TR_F32 || v->widens;
	char *x = room, *w = x + XROOM * sizeof(float);
	float *mid = (float *)(w + WROOM * sizeof(float));

	for (uint64_t k = 0; k < MAX(a->d, (uint64_t)1); k += TERMS) {
		const uint64_t d = MIN(a->d - k, (uint64_t)TERMS), steps = (d + turn - 1) / turn;
		const uint64_t tile = steps * DOTS_BYTES; /* bytes of one row */
		const int there = lies && d % turn == 0;
		struct dots_tile t = {.steps = steps, .ldy = a->ldy, .add = k > 0};

		for (uint64_t r = 0; r < rows; r++) {
			const uint64_t from = a->perm ? a->perm[row + r] / a->each : row + r;
			const uint64_t first = r - r % v->rows;

			spread(TR_F32, a->x, from * a->ldx + k, d, a->bf16, half, mid,
			       x + first * tile + (r - first) * DOTS_BYTES,
			       MIN(v->rows, rows - first));
		}
		for (uint64_t c = col; c < col + n; c += DOTS_WIDE) {
			t.n = MIN(col + n - c, (uint64_t)DOTS_WIDE);
			if (there && t.n == DOTS_WIDE) {
				t.type = a->wtype;
				t.w = (const char *)a->w + (c * a->ldw + k) * tr_size(t.type);
				t.step = turn * tr_size(t.type);
				t.apart = a->ldw * tr_size(t.type);
			} else {
				for (uint64_t i = 0; i < DOTS_WIDE; i++)
					spread(a->wtype, a->w, (c + MIN(i, t.n - 1)) * a->ldw + k,
					       d, a->bf16, half, mid, w + i * DOTS_BYTES,
					       DOTS_WIDE);
				t.type = half ? TR_BF16 : TR_F32;
				t.w = w;
				t.step = DOTS_WIDE * DOTS_BYTES;
				t.apart = DOTS_BYTES;
			}
			for (uint64_t r = 0; r < rows; r += v->rows) {
				t.x = x + r * tile;
				t.y = a->y + (row + r) * a->ldy + c;
				fn(&t, MIN(v->rows, rows - r));
			}
		}
	}
}

struct all {
	const struct dots *a;
	uint64_t rows, tall; /* tall: pieces of rows */
};

static void
part(void *arg, uint64_t i, void *room)
{
	const struct all *j = arg;
	const uint64_t down = i % j->tall, col = i / j->tall * DOTS_COLS;
	const uint64_t row = j->rows * down / j->tall, end = j->rows * (down + 1) / j->tall;

	dots_piece(j->a, row, end - row, col, MIN(j->a->n - col, (uint64_t)DOTS_COLS), room);
}

int
dots_all(const struct dots *a, uint64_t rows, struct team *t)
{
	struct all j = {a, rows, (rows + DOTS_ROWS - 1) / DOTS_ROWS};

	return team_each(t, j.tall * ((a->n + DOTS_COLS - 1) / DOTS_COLS), 0, part, &j);
}
