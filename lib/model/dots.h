/*
 * Products of rows of f32 with a matrix of f32, f16 or bf16, in pieces, by the calling thread
 * alone.  A number of the result is the same sum in the same order wherever it stands and
 * whatever is computed with it, so that rows may be cut and brought together at will: bits
 * depend on the processor alone.
 *
 * Both sides go into tiles of a few rows, 64 bytes of each in turn, on the way to which they
 * are widened or rounded: a matrix that needs neither is read where it lies.
 */
#ifndef MODEL_DOTS_H
#define MODEL_DOTS_H

#include "../core/crew.h"
#include "../core/moetrace.h"

/* Of a piece: its rows stay in the second-level cache; columns, as work is cut for threads. */
enum { DOTS_ROWS = 120, DOTS_COLS = 384 };

struct dots {
	const float *x; /* rows ldx numbers apart */
	uint64_t ldx;
	const uint32_t *perm; /* row r is perm[r] / each of x; NULL: r */
	uint64_t each;
	const void *w; /* [n][d], rows ldw numbers apart */
	enum tr_type wtype;
	uint64_t ldw, n, d;
	int bf16; /* both sides are rounded to bf16; sums are f32 */
	float *y; /* [rows][n], rows ldy numbers apart */
	uint64_t ldy;
};

/* Bytes of room that dots_piece wants, aligned to 64: they depend on nothing. */
uint64_t dots_room(void);
/* Rows [row, row + rows), columns [col, col + n) of y = x w^T; rows at most DOTS_ROWS. */
void dots_piece(const struct dots *a, uint64_t row, uint64_t rows, uint64_t col, uint64_t n,
		void *room);

/* Threads, each with a room, which grows as it is asked for. */
struct team {
	struct crew *crew;
	char *room;
	size_t bytes; /* of one thread's */
};
/* 0 or TR_ENOMEM. */
int team_open(struct team *t, int jobs);
void team_close(struct team *t); /* {0} is fine */
/* work(arg, i, room) for each i below n; room: dots_room() bytes and more behind them, the
 * thread's.  0, or TR_ENOMEM, then none was called. */
typedef void team_work(void *arg, uint64_t i, void *room);
int team_each(struct team *t, uint64_t n, uint64_t more, team_work *work, void *arg);
/* All of a product, cut into pieces.  0 or TR_ENOMEM. */
int dots_all(const struct dots *a, uint64_t rows, struct team *t);

/* Which code runs: "avx512bf16", "avx512", "avx2" or "plain"; dots_isa("plain") and so on
 * choose another that this processor has: 0, or -1.  Not while others compute. */
const char *dots_isa_name(void);
int dots_isa(const char *name);

#endif
