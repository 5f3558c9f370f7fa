/*
 * KDE tables as pickles (router-analysis 2).  The writer knows its one object:
 * instructions and memo places are constant text, and only the shape, the
 * numbers and the frames depend on the table.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kdefile.h"
#include "moetrace.h"
#include "num.h"
#include "size.h"

#define STEM "distribution_model_layer_"
#define SLACK 1e-12 /* of cdf, that sums of floats may miss */

enum { FRAME = 65536, FRAME_HEAD = 9, POINTS_MAX = 1 << 27 };

const char *const kde_kernels[KDE_KERNELS] = {"gaussian", "tophat", "epanechnikov", "linear"};

int
kde_kernel(const char *name)
{
	for (int i = 0; i < KDE_KERNELS; i++)
		if (!strcmp(name, kde_kernels[i]))
			return i;
	return -1;
}

/* The digits at *s: 1, and *s is behind them. */
static int
digits(const char **s, uint64_t *n)
{
	size_t len = strspn(*s, "0123456789");

	if (!len || num_u64n(*s, *s + len, 0, INT64_MAX, n) < 0)
		return 0;
	*s += len;
	return 1;
}

static void
unsaid(struct kde_name *n)
{
	n->model[0] = 0;
	n->layer = n->trim = TR_NONE;
	n->kernel = -1;
}

int
kde_name_read(struct kde_name *n, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *s = NULL;
	size_t len;

	unsaid(n);
	for (const char *p = name; (p = strstr(p, STEM)); p++)
		if (p == name || p[-1] == '_')
			s = p;
	if (!s || (size_t)(s - name) > sizeof n->model)
		return 0;
	if (s > name) {
		memcpy(n->model, name, (size_t)(s - name - 1));
		n->model[s - name - 1] = 0;
	}
	s += strlen(STEM);
	if (!digits(&s, &n->layer))
		goto bad;
	for (int i = 0; i < KDE_KERNELS; i++) {
		len = strlen(kde_kernels[i]);
		if (*s != '_' || strncmp(s + 1, kde_kernels[i], len))
			continue;
		n->kernel = i;
		s += len + 1;
		break;
	}
	if (!strncmp(s, "_trimmed_", 9)) {
		s += 9;
		if (!digits(&s, &n->trim) || n->trim % 2)
			goto bad;
		n->trim /= 2; /* names count both sides */
	}
	if (!*s || !strcmp(s, ".pkl"))
		return 1;
bad:
	unsaid(n);
	return 0;
}

int
kde_name_text(const struct kde_name *n, char *buf, size_t size)
{
	int trimmed = n->trim && n->trim != TR_NONE;
	int named = n->kernel >= 0 && !(trimmed && !n->kernel);
	char trim[32] = "";
	int len;

	if (trimmed)
		snprintf(trim, sizeof trim, "_trimmed_%llu", (unsigned long long)(2 * n->trim));
	len = snprintf(buf, size, "%s%s" STEM "%llu%s%s%s.pkl", n->model, *n->model ? "_" : "",
		       (unsigned long long)n->layer, named ? "_" : "",
		       named ? kde_kernels[n->kernel] : "", trim);
	if (len < 0 || (size_t)len >= size)
		return -1;
	for (; *buf; buf++)
		if (*buf == '/')
			*buf = '_';
	return 0;
}

int
kde_check(const double *x, const double *cdf, uint64_t n, char *err, size_t size)
{
	if (n < 2) {
		snprintf(err, size, "%llu points, at least 2 are needed", (unsigned long long)n);
		return -1;
	}
	for (uint64_t i = 0; i < n; i++) {
		const char *what = !isfinite(x[i])         ? "x is not finite"
				   : !isfinite(cdf[i])     ? "cdf is not finite"
				   : i && x[i] <= x[i - 1] ? "x does not rise"
				   : cdf[i] < -SLACK || cdf[i] > 1 + SLACK
					   ? "cdf is not between 0 and 1"
				   : i && cdf[i] < cdf[i - 1] - SLACK ? "cdf falls"
								      : NULL;

		if (!what)
			continue;
		snprintf(err, size, "point %llu: %s", (unsigned long long)i, what);
		return -1;
	}
	return 0;
}

/* ---- the writer ---- */

struct out {
	unsigned char *p;
	size_t n, frame; /* start of the open frame, SIZE_MAX: none */
};

static void
number(unsigned char *to, uint64_t x, int width)
{
	for (int i = 0; i < width; i++)
		to[i] = (unsigned char)(x >> 8 * i);
}

static void
close_frame(struct out *o)
{
	if (o->frame == SIZE_MAX)
		return;
	o->p[o->frame] = 0x95;
	number(o->p + o->frame + 1, o->n - o->frame - FRAME_HEAD, 8);
	o->frame = SIZE_MAX;
}

static void
bytes(struct out *o, const void *p, size_t n)
{
	if (o->frame == SIZE_MAX) {
		o->frame = o->n;
		o->n += FRAME_HEAD;
	}
	memcpy(o->p + o->n, p, n);
	o->n += n;
}

#define TEXT(o, s) bytes(o, s, sizeof(s) - 1)

/* Where Python begins an object: a full frame ends there. */
static void
object(struct out *o)
{
	if (o->frame != SIZE_MAX && o->n - o->frame - FRAME_HEAD >= FRAME)
		close_frame(o);
}

static void
integer(struct out *o, uint64_t n)
{
	unsigned char s[5];
	int width = n < 256 ? 1 : n < 65536 ? 2 : 4;

	s[0] = width == 1 ? 'K' : width == 2 ? 'M' : 'J';
	number(s + 1, n, width);
	bytes(o, s, (size_t)width + 1);
}

/* Numbers of 64 KiB and more lie between frames. */
static void
blob(struct out *o, const double *x, uint64_t n)
{
	int small = n * 8 < 256, apart = n * 8 >= FRAME;
	unsigned char s[5] = {small ? 'C' : 'B'};

	object(o);
	number(s + 1, n * 8, small ? 1 : 4);
	if (apart) {
		close_frame(o);
		o->frame = o->n; /* so that bytes opens none */
	}
	bytes(o, s, small ? 2 : 5);
	for (uint64_t i = 0; i < n; i++, o->n += 8) {
		uint64_t u;

		memcpy(&u, &x[i], 8);
		number(o->p + o->n, u, 8);
	}
	if (apart)
		o->frame = SIZE_MAX;
}

unsigned char *
kde_pickle(const double *x, const double *cdf, uint64_t n, size_t *size)
{
	struct out o = {.frame = SIZE_MAX};

	if (n > POINTS_MAX || !(o.p = malloc(n * 16 + 512)))
		return NULL;
	memcpy(o.p, "\200\4", 2);
	o.n = 2;
	TEXT(&o, "}\224(\214\1x\224\214\25numpy.core.multiarray\224\214\14_reconstruct\224\223\224"
		 "\214\5numpy\224\214\7ndarray\224\223\224K\0\205\224C\1b\224\207\224R\224(K\1");
	integer(&o, n);
	TEXT(&o, "\205\224h\5\214\5dtype\224\223\224\214\2f8\224\211\210\207\224R\224"
		 "(K\3\214\1<\224NNNJ\377\377\377\377J\377\377\377\377K\0t\224b\211");
	blob(&o, x, n);
	TEXT(&o, "\224t\224b");
	object(&o);
	TEXT(&o, "\214\3cdf\224");
	object(&o);
	TEXT(&o, "h\4");
	object(&o);
	TEXT(&o, "h\7");
	object(&o);
	TEXT(&o, "K\0\205\224");
	object(&o);
	TEXT(&o, "h\11\207\224R\224");
	object(&o);
	TEXT(&o, "(");
	object(&o);
	TEXT(&o, "K\1");
	object(&o);
	integer(&o, n);
	TEXT(&o, "\205\224");
	object(&o);
	TEXT(&o, "h\21");
	object(&o);
	TEXT(&o, "\211");
	blob(&o, cdf, n);
	TEXT(&o, "\224t\224bu.");
	close_frame(&o);
	*size = o.n;
	return o.p;
}
