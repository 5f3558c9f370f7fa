/* Frames as tables for eyes.  moetrace(5), TEXT. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"
#include "num.h"
#include "size.h"
#include "writer.h"

enum {
	CUT = 40,    /* rows of a table on a terminal */
	CHUNK = 512, /* rows aligned at a time when nothing is cut */
	FIELDS = TR_KEYS_MAX + TR_COLS_MAX + 4,
};

struct text {
	struct sink *s;
	int flags;
	char *sig, *newsig; /* kind, keys and columns of the run at hand */
	size_t sigcap, newcap;
	/* terminal: rows held until their widths are known, NUL between fields */
	char *held;
	size_t nheld, capheld;
	int nrows, nfields, width[FIELDS];
	uint64_t cut;
	/* one row being built */
	char *row;
	size_t nrow, caprow;
};

struct text *
text_new(struct sink *s, int flags)
{
	struct text *x = calloc(1, sizeof *x);

	if (x) {
		x->s = s;
		x->flags = flags;
	}
	return x;
}

void
text_free(struct text *x)
{
	if (!x)
		return;
	free(x->sig);
	free(x->newsig);
	free(x->held);
	free(x->row);
	free(x);
}

static int
grow(char **p, size_t *cap, size_t need)
{
	if (need > *cap) {
		size_t n = need + need / 2 + 256;
		char *q = realloc(*p, n);

		if (!q)
			return -1;
		*p = q;
		*cap = n;
	}
	return 0;
}

/* Text into the row, what would break a table escaped as in headers. */
static int
add(struct text *x, const char *s, size_t n)
{
	if (grow(&x->row, &x->caprow, x->nrow + 3 * n + 2) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c < 32 || c == 127)
			x->nrow += (size_t)sprintf(x->row + x->nrow, "%%%02x", c);
		else
			x->row[x->nrow++] = (char)c;
	}
	return 0;
}

static int
end_field(struct text *x)
{
	if (grow(&x->row, &x->caprow, x->nrow + 1) < 0)
		return -1;
	x->row[x->nrow++] = 0;
	return 0;
}

static int
field(struct text *x, const char *s)
{
	return add(x, s, strlen(s)) < 0 ? -1 : end_field(x);
}

static int
field_num(struct text *x, uint64_t n)
{
	char buf[NUM_MAX];

	return add(x, buf, num_put_u64(buf, n)) < 0 ? -1 : end_field(x);
}

/* Columns of a UTF-8 string on a terminal, near enough. */
static int
columns(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

/* The held rows, aligned. */
static int
flush_held(struct text *x)
{
	static const char blanks[] = "                                                            "
				     "                                                            ";
	char *p = x->held;

	for (int r = 0; r < x->nrows; r++) {
		for (int i = 0; i < x->nfields; i++) {
			size_t n = strlen(p);
			int pad = x->width[i] - columns(p) + 2;

			if (sink_put(x->s, p, n) < 0)
				return -1;
			if (i + 1 < x->nfields &&
			    sink_put(x->s, blanks, (size_t)MIN(pad, (int)sizeof blanks - 1)) < 0)
				return -1;
			p += n + 1;
		}
		if (sink_put(x->s, "\n", 1) < 0)
			return -1;
	}
	x->nheld = 0;
	x->nrows = 0;
	return 0;
}

static int
end_table(struct text *x)
{
	if (flush_held(x) < 0)
		return -1;
	memset(x->width, 0, sizeof x->width);
	if (x->cut &&
	    sink_printf(x->s, "# %llu more rows: -t shows all\n", (unsigned long long)x->cut) < 0)
		return -1;
	x->cut = 0;
	return 0;
}

/* The row is whole: write or hold it. */
static int
end_row(struct text *x)
{
	if (!(x->flags & TR_TTY)) {
		for (size_t i = 0; i + 1 < x->nrow; i++)
			if (!x->row[i])
				x->row[i] = '\t';
		x->row[x->nrow - 1] = '\n';
		int r = sink_put(x->s, x->row, x->nrow);

		x->nrow = 0;
		return r;
	}
	/* the line of names counts as one */
	if (!(x->flags & TR_ALL) && x->nrows > CUT) {
		x->cut++;
		x->nrow = 0;
		return 0;
	}
	if (grow(&x->held, &x->capheld, x->nheld + x->nrow) < 0)
		return -1;
	memcpy(x->held + x->nheld, x->row, x->nrow);
	x->nheld += x->nrow;
	x->nfields = 0;
	for (char *p = x->row; p < x->row + x->nrow; p += strlen(p) + 1, x->nfields++)
		x->width[x->nfields] = MAX(x->width[x->nfields], columns(p));
	x->nrow = 0;
	x->nrows++;
	if (x->flags & TR_ALL && x->nrows >= CHUNK)
		return flush_held(x);
	return 0;
}

static int
shown(const struct tr_frame *f, int i)
{
	const char *key = frame_key(f, i);

	return strcmp(key, "row0") && strcmp(key, "derived");
}

static int
has_col(const struct tr_frame *f, const char *name)
{
	for (int i = 0; i < f->ncols; i++)
		if (!strcmp(f->cols[i].name, name))
			return 1;
	return 0;
}

static int
is_one_of(const char *s, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(s, *words))
			return 1;
	return 0;
}

/* What the row number counts, or NULL where it is not shown. */
static const char *
counts(const struct tr_frame *f)
{
	static const char *const experts[] = {"count", "topk", "coact", "flow", NULL};

	if (!f->has_rows || f->rows == 1 || has_col(f, "row"))
		return NULL;
	return is_one_of(f->kind, experts) ? "expert" : "row";
}

/* count and topk: share of the tokens (or of the sum), and rank. */
static const uint64_t *
ranked(const struct tr_frame *f)
{
	static const char *const kinds[] = {"count", "topk", NULL};

	if (!is_one_of(f->kind, kinds))
		return NULL;
	for (int i = 0; i < f->ncols; i++)
		if (!strcmp(f->cols[i].name, "n") && f->cols[i].type == TR_U64 &&
		    f->cols[i].width == 1)
			return f->cols[i].data;
	return NULL;
}

static int
put_names(struct text *x, const struct tr_frame *f, const char *rowname, int rank, int text)
{
	int first = 1;
	const char *name;

#define NAME(s)                                   \
	do {                                      \
		name = (s);                       \
		if (first && add(x, "# ", 2) < 0) \
			return -1;                \
		first = 0;                        \
		if (field(x, name) < 0)           \
			return -1;                \
	} while (0)
	for (int i = 0; i < f->nkeys; i++)
		if (shown(f, i))
			NAME(frame_key(f, i));
	if (rowname)
		NAME(rowname);
	for (int i = 0; i < f->ncols; i++)
		NAME(f->cols[i].name);
	if (rank) {
		NAME("share");
		NAME("rank");
	}
	if (text)
		NAME("text");
	if (first)
		NAME(f->kind);
#undef NAME
	return end_row(x);
}

/* A number with no more digits than eyes want, up to NUM_MAX bytes: its length. */
static size_t
eye_num(char *to, double v)
{
	double a = v < 0 ? -v : v;

	if (v != v)
		return (size_t)sprintf(to, "nan");
	return (size_t)sprintf(to, a >= 1e5 && a < 1e15 ? "%.0f" : "%.6g", v);
}

static int
put_keys(struct text *x, const struct tr_frame *f)
{
	char val[TR_HEADER_MAX];
	double v;

	for (int i = 0; i < f->nkeys; i++) {
		if (!shown(f, i))
			continue;
		if (tr_text(f, frame_key(f, i), val, sizeof val) < 0)
			return -1;
		if (x->flags & TR_TTY && strchr(val, '.') && strlen(val) > 7 &&
		    num_f64(val, val + strlen(val), &v) == 0)
			eye_num(val, v);
		if (field(x, val) < 0)
			return -1;
	}
	return 0;
}

static int
all_ones(const struct tr_col *c, uint64_t i)
{
	static const char *const slots[] = {"ids", "dev", "expert", NULL};
	const unsigned char *p = (const unsigned char *)c->data + i * c->size;

	if (c->type > TR_U64 || !is_one_of(c->name, slots))
		return 0;
	for (uint32_t k = 0; k < c->size; k++)
		if (p[k] != 0xff)
			return 0;
	return 1;
}

static int
put_cell(struct text *x, const struct tr_col *c, uint64_t row)
{
	int eyes = x->flags & TR_TTY && c->type >= TR_F16 && c->type <= TR_F64;
	double v;

	for (uint64_t i = row * c->width, end = i + c->width; i < end; i++) {
		if (grow(&x->row, &x->caprow, x->nrow + NUM_MAX + 2) < 0)
			return -1;
		if (i > row * c->width)
			x->row[x->nrow++] = ',';
		if (all_ones(c, i))
			x->row[x->nrow++] = '-';
		else if (c->type == TR_OTHER)
			x->row[x->nrow++] = '?';
		else if (eyes && col_f64(c, i, 1, &v) == 0)
			x->nrow += eye_num(x->row + x->nrow, v);
		else
			x->nrow += num_put_col(x->row + x->nrow, c, i);
	}
	return end_field(x);
}

struct ranked {
	uint64_t n, i;
};

static int
by_count(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->n != y->n)
		return x->n < y->n ? 1 : -1;
	return (x->i > y->i) - (x->i < y->i);
}

/* rank[i] of expert i, from 1; ties by lower number first. */
static uint64_t *
ranks(const uint64_t *n, uint64_t rows)
{
	struct ranked *r = malloc(rows * sizeof *r);
	uint64_t *rank = malloc(rows * sizeof *rank);

	if (r && rank) {
		for (uint64_t i = 0; i < rows; i++)
			r[i] = (struct ranked){n[i], i};
		qsort(r, rows, sizeof *r, by_count);
		for (uint64_t i = 0; i < rows; i++)
			rank[r[i].i] = i + 1;
	} else {
		free(rank);
		rank = NULL;
	}
	free(r);
	return rank;
}

static int
put_rows(struct text *x, const struct tr_frame *f, const char *rowname, const uint64_t *n)
{
	uint64_t row0 = tr_get(f, "row0", 0), *rank = NULL, total = 0;
	char buf[32];
	int r = 0;

	if (n) {
		if (!(rank = ranks(n, f->rows)))
			return -1;
		if (!(total = tr_get(f, "n_tokens", 0)))
			for (uint64_t i = 0; i < f->rows; i++)
				total += n[i];
	}
	for (uint64_t i = 0; i < f->rows && r == 0; i++) {
		r = put_keys(x, f);
		if (r == 0 && rowname)
			r = field_num(x, row0 + i);
		for (int c = 0; c < f->ncols && r == 0; c++)
			r = put_cell(x, &f->cols[c], i);
		if (r == 0 && n) {
			snprintf(buf, sizeof buf, "%.2f%%",
				 total ? 100 * (double)n[i] / (double)total : 0);
			r = field(x, buf) < 0 ? -1 : field_num(x, rank[i]);
		}
		if (r == 0)
			r = end_row(x);
	}
	free(rank);
	return r;
}

/* Kind, key and column names: frames that agree share a table. */
static int
signature(struct text *x, const struct tr_frame *f, const char *rowname)
{
	size_t n = 0;

	if (grow(&x->newsig, &x->newcap, TR_HEADER_MAX + 64 * TR_NAME_MAX) < 0)
		return -1;
	n += (size_t)sprintf(x->newsig, "%s %s", f->kind, rowname ? rowname : "");
	for (int i = 0; i < f->nkeys; i++)
		if (shown(f, i))
			n += (size_t)sprintf(x->newsig + n, " %s", frame_key(f, i));
	for (int i = 0; i < f->ncols; i++)
		n += (size_t)sprintf(x->newsig + n, " :%s", f->cols[i].name);
	return 0;
}

static int
put_frame(struct text *x, const struct tr_frame *f)
{
	const char *rowname = counts(f);
	const uint64_t *n = f->rows ? ranked(f) : NULL;
	int text = !f->has_rows && f->payload;

	if (signature(x, f, rowname) < 0)
		return -1;
	if (!x->sig || strcmp(x->sig, x->newsig)) {
		char *p = x->sig;
		size_t cap = x->sigcap;

		if (end_table(x) < 0 || put_names(x, f, rowname, n != NULL, text) < 0)
			return -1;
		x->sig = x->newsig;
		x->sigcap = x->newcap;
		x->newsig = p;
		x->newcap = cap;
	}
	if (f->has_rows)
		return put_rows(x, f, rowname, n);
	if (put_keys(x, f) < 0)
		return -1;
	if (text && (add(x, f->payload, f->bytes) < 0 || end_field(x) < 0))
		return -1;
	if (!x->nrow && end_field(x) < 0)
		return -1;
	return end_row(x);
}

int
text_put(struct text *x, const struct tr_frame *f)
{
	static const char *const silent[] = {"trace", "prog", "end", NULL};
	struct tr_frame g;

	if (is_one_of(f->kind, silent))
		return 0;
	if (strcmp(f->kind, "bench"))
		return put_frame(x, f);
	g = *f; /* a measurement is a row; its samples are for programs */
	g.has_rows = g.ncols = 0;
	g.rows = 0;
	g.payload = NULL;
	return put_frame(x, &g);
}

int
text_end(struct text *x)
{
	return end_table(x);
}
