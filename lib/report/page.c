#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../plot/sheet.h"
#include "num.h"
#include "page.h"
#include "sink.h"
#include "size.h"

static void
put(struct page *p, const char *s, size_t n)
{
	p->bad |= sink_put(p->sink, s, n) < 0;
}

void
page_f(struct page *p, const char *fmt, ...)
{
	char buf[4096];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, sizeof buf, fmt, ap);
	va_end(ap);
	put(p, buf, MIN((size_t)n, sizeof buf - 1));
}

/* Length of the UTF-8 character at s, 0 where there is none. */
static size_t
utf8(const unsigned char *s)
{
	size_t n = *s < 0x80   ? 1
		   : *s < 0xc2 ? 0
		   : *s < 0xe0 ? 2
		   : *s < 0xf0 ? 3
		   : *s < 0xf5 ? 4
			       : 0;

	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) ||
	    (*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] > 0x8f) ||
	    (*s == 0xef && s[1] == 0xbf && s[2] > 0xbd))
		return 0;
	return n;
}

void
page_text(struct page *p, const char *s)
{
	for (size_t n; *s; s += n) {
		n = utf8((const unsigned char *)s);
		if (*s == '&')
			put(p, "&amp;", 5);
		else if (*s == '<')
			put(p, "&lt;", 4);
		else if (*s == '>')
			put(p, "&gt;", 4);
		else if (*s == '"')
			put(p, "&quot;", 6);
		else if (!n || (n == 1 && ((unsigned char)*s < ' ' || *s == 0x7f)))
			put(p, "\xef\xbf\xbd", 3);
		else
			put(p, s, n);
		n = n ? n : 1;
	}
}

char *
page_exact(char *to, double x)
{
	to[num_put_f64(to, x)] = 0;
	return to;
}

char *
page_num(char *to, double x)
{
	char buf[PAGE_NUM];
	size_t n, k = 0;

	if (!(fabs(x) < 1e15) || x != (double)(int64_t)x) {
		snprintf(to, PAGE_NUM, "%.6g", x);
		return to;
	}
	n = (size_t)snprintf(buf, sizeof buf, "%.0f", x);
	for (size_t i = 0; i < n; i++) { /* a narrow blank each three digits, from five on */
		if (n > 4 + (*buf == '-') && i > (size_t)(*buf == '-') && (n - i) % 3 == 0) {
			memcpy(to + k, "\xe2\x80\xaf", 3);
			k += 3;
		}
		to[k++] = buf[i];
	}
	to[k] = 0;
	return to;
}

/* ---- the page ---- */

/* cividis (Nunez, Anderton, Renslow 2018) at ten places; between them straight. */
static const unsigned char stop[][3] = {
	{0x00, 0x20, 0x4d}, {0x00, 0x33, 0x6f}, {0x2b, 0x44, 0x6e}, {0x4a, 0x54, 0x6c},
	{0x66, 0x67, 0x70}, {0x7d, 0x7c, 0x78}, {0x98, 0x90, 0x75}, {0xb5, 0xa6, 0x6a},
	{0xd4, 0xbe, 0x57}, {0xff, 0xea, 0x46},
};

static void
put_colour(struct page *p, double at)
{
	double x = at * (LEN(stop) - 1);
	size_t i = MIN((size_t)x, LEN(stop) - 2);
	int c[3];

	for (int k = 0; k < 3; k++)
		c[k] = (int)(stop[i][k] + (x - (double)i) * (stop[i + 1][k] - stop[i][k]) + 0.5);
	page_f(p, "#%02x%02x%02x", c[0], c[1], c[2]);
}

/* Cells have the whole scale; lines what stands out from the paper, in light and dark. */
static void
put_colours(struct page *p, char class, const char *what, double from, double to)
{
	for (int i = 0; i < PAGE_LEVELS; i++) {
		page_f(p, ".%c%d{%s:", class, i, what);
		put_colour(p, from + (to - from) * i / (PAGE_LEVELS - 1));
		page_f(p, "}");
	}
}

void
page_begin(struct page *p, const char *title)
{
	page_f(p, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
		  "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
		  "style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\"/>\n"
		  "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
		  "<link rel=\"icon\" href=\"data:,\"/>\n<title>");
	page_text(p, title);
	page_f(p, "</title>\n<style>\n");
	put(p, page_css, strlen(page_css));
	put_colours(p, 'k', "fill", 0, 1);
	put_colours(p, 'b', "stroke", 0, 1);
	put_colours(p, 'l', "stroke", 0, 0.66);
	page_f(p, "\n@media screen and (prefers-color-scheme:dark){");
	put_colours(p, 'l', "stroke", 0.5, 1);
	page_f(p, "}\n</style>\n</head>\n<body>\n<h1>");
	page_text(p, title);
	page_f(p, "</h1>\n");
}

void
page_end(struct page *p)
{
	page_f(p, "<script>//<![CDATA[\n");
	put(p, page_js, strlen(page_js));
	page_f(p, "//]]></script>\n</body>\n</html>\n");
}

/* ---- room ---- */

int
room_tells(const struct page *p, const struct room *r)
{
	return r->all <= p->max_cells;
}

int
room_take(const struct page *p, struct room *r, uint64_t marks)
{
	r->total++;
	if (r->left || r->drawn + marks > PAGE_MORE * p->max_cells) {
		r->left++;
		return 0;
	}
	r->drawn += marks;
	return 1;
}

void
room_note(struct page *p, const struct room *r, const char *mark)
{
	char a[PAGE_NUM], b[PAGE_NUM];

	if (room_tells(p, r))
		return;
	page_f(p,
	       "<p class=\"n\">Left out: the values of %s under the pointer, as there are %s, "
	       "more than --max-cells %s.",
	       mark, page_num(a, (double)r->all), page_num(b, (double)p->max_cells));
	if (r->left)
		page_f(p, " Left out: the last %llu of %llu pictures; -l takes fewer layers.",
		       (unsigned long long)r->left, (unsigned long long)r->total);
	page_f(p, "</p>\n");
}

/* ---- pictures ---- */

void
figure_open(struct page *p, const char *title, const char *label, double w, double h,
	    uint64_t across)
{
	page_f(p, "<figure><figcaption>");
	page_text(p, title);
	page_f(p,
	       "</figcaption>\n<svg viewBox=\"0 0 %.6g %.6g\" width=\"%.6g\" height=\"%.6g\" "
	       "role=\"img\" tabindex=\"0\" data-across=\"%llu\" aria-label=\"",
	       w, h, w, h, (unsigned long long)across);
	page_text(p, title);
	page_text(p, ": ");
	page_text(p, label);
	page_f(p, "\">\n");
}

void
figure_close(struct page *p, const char *note)
{
	page_f(p, "\n</svg>\n");
	if (note && *note) {
		page_f(p, "<p class=\"n\">");
		page_text(p, note);
		page_f(p, "</p>");
	}
	page_f(p, "</figure>\n");
}

double
axes_x(const struct axes *a, double x)
{
	return a->x + a->w * (x - a->xlo) / (a->xhi - a->xlo);
}

double
axes_y(const struct axes *a, double y)
{
	return a->y + a->h - a->h * (y - a->ylo) / (a->yhi - a->ylo);
}

struct ticks {
	double first, step; /* (first + i) * step */
	int n;
};

/* None where a double cannot tell them apart. */
static struct ticks
ticks_of(double lo, double hi, double most)
{
	struct ticks t = {0};
	double slack = 1e-9 * (hi - lo);

	if (!(hi - lo > 1e-12 * MAX(fabs(lo), fabs(hi))) || hi - lo > 1e300)
		return t;
	t.step = sheet_nice(hi - lo, MAX(2, most));
	t.first = ceil((lo - slack) / t.step);
	while (t.n < 100 && (t.first + t.n) * t.step <= hi + slack)
		t.n++;
	return t;
}

void
axes_put(struct page *p, const struct axes *a)
{
	struct ticks x = ticks_of(a->xlo, a->xhi, a->w / 60),
		     y = ticks_of(a->ylo, a->yhi, a->h / 26);
	char num[PAGE_NUM];
	double v;

	for (int i = 0; i < x.n; i++) {
		v = (x.first + i) * x.step;
		page_f(p,
		       "<path class=\"g\" d=\"M%.4g %.4gv%.4g\"/><text x=\"%.4g\" "
		       "y=\"%.4g\" class=\"m\">%s</text>\n",
		       axes_x(a, v), a->y, a->h, axes_x(a, v), a->y + a->h + 13, page_num(num, v));
	}
	for (int i = 0; a->yname && i < y.n; i++) {
		v = (y.first + i) * y.step;
		page_f(p,
		       "<path class=\"g\" d=\"M%.4g %.4gh%.4g\"/><text x=\"%.4g\" "
		       "y=\"%.4g\" class=\"e\">%s</text>\n",
		       a->x, axes_y(a, v), a->w, a->x - 4, axes_y(a, v) + 3.5, page_num(num, v));
	}
	page_f(p, "<text x=\"%.4g\" y=\"%.4g\" class=\"m\">", a->x + a->w / 2, a->y + a->h + 27);
	page_text(p, a->xname);
	page_f(p, "</text>");
	if (a->yname) {
		page_f(p, "<text transform=\"translate(10 %.4g) rotate(-90)\" class=\"m\">",
		       a->y + a->h / 2);
		page_text(p, a->yname);
		page_f(p, "</text>\n");
	}
}
