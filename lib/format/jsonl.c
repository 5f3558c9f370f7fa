/* Frames as JSON Lines and back, see jsonl.h.  What JSON cannot say is kept all
 * the same: NaN with its bits, bytes that are no UTF-8, columns of unknown type. */
#include "jsonl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "frame.h"
#include "half.h"
#include "num.h"
#include "size.h"

/* ---- to JSON ---- */

static int
utf8(const unsigned char *p, uint64_t n)
{
	static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *end = p + n;
	uint32_t u;
	int i, k;

	for (; p < end; p += k) {
		k = *p < 0x80   ? 1
		    : *p < 0xc2 ? 0
		    : *p < 0xe0 ? 2
		    : *p < 0xf0 ? 3
		    : *p < 0xf5 ? 4
				: 0;
		if (!k || end - p < k)
			return 0;
		u = *p & (k == 1 ? 0x7fu : 0x7fu >> k);
		for (i = 1; i < k; i++) {
			if ((p[i] & 0xc0) != 0x80)
				return 0;
			u = u << 6 | (p[i] & 63u);
		}
		if (u < least[k] || (u >= 0xd800 && u < 0xe000) || u > 0x10ffff)
			return 0;
	}
	return 1;
}

static void
data(struct json_out *o, const void *p, uint64_t n)
{
	const unsigned char *s = p;
	uint64_t k;
	char *to;

	json_put_raw(o, "\"", 1);
	for (; n; n -= k, s += k) {
		k = MIN(n, 49152u); /* a multiple of 3 */
		if (!(to = json_put_room(o, BASE64_LEN(k))))
			return;
		base64_put(to, s, k);
		o->n += BASE64_LEN(k);
	}
	json_put_bytes(o, "\"", 1);
}

static uint64_t
bits(const struct tr_col *c, uint64_t i)
{
	const char *p = (const char *)c->data + i * c->size;
	uint16_t b16;
	uint32_t b32;
	uint64_t b64;

	switch (c->size) {
	case 1:
		return *(const unsigned char *)p;
	case 2:
		memcpy(&b16, p, 2);
		return b16;
	case 4:
		memcpy(&b32, p, 4);
		return b32;
	default:
		memcpy(&b64, p, 8);
		return b64;
	}
}

/* exponent and fraction of a float type: what tells NaN and infinity */
static const struct {
	uint64_t inf, sign, nan;
} special[] = {
	[TR_F16] = {0x7c00, 0x8000, 0x7e00},
	[TR_BF16] = {0x7f80, 0x8000, 0x7fc0},
	[TR_F32] = {0x7f800000, 0x80000000, 0x7fc00000},
	[TR_F64] = {0x7ff0000000000000, 0x8000000000000000, 0x7ff8000000000000},
};

/* Element i at to, at most 48 bytes. */
static size_t
element(char *to, const struct tr_col *c, uint64_t i, int null)
{
	uint64_t b, ones = UINT64_MAX >> (64 - 8 * c->size);

	if (c->type >= TR_F16) {
		b = bits(c, i);
		if ((b & special[c->type].inf) != special[c->type].inf)
			return num_put_col(to, c, i);
		if (b == special[c->type].inf)
			return (size_t)sprintf(to, "\"inf\"");
		if (b == (special[c->type].inf | special[c->type].sign))
			return (size_t)sprintf(to, "\"-inf\"");
		if (b == special[c->type].nan)
			return (size_t)sprintf(to, "\"nan\"");
		return (size_t)sprintf(to, "\"nan:%llx\"", (unsigned long long)b);
	}
	if (c->type <= TR_U64) {
		b = bits(c, i);
		if (null && b == ones) {
			memcpy(to, "null", 4);
			return 4;
		}
		return num_put_u64(to, b);
	}
	return num_put_col(to, c, i);
}

static void
column(struct json_out *o, const struct tr_frame *f, const struct tr_col *c)
{
	int null = c->type <= TR_U64 && (!strcmp(c->name, "ids") || !strcmp(c->name, "dev"));
	uint64_t r, i;
	char *to;

	if (c->type == TR_OTHER) {
		data(o, c->data, f->rows * c->width * c->size);
		return;
	}
	json_put_raw(o, "[", 1);
	for (r = 0; r < f->rows; r++) {
		for (i = 0; i < c->width; i++) {
			if (!(to = json_put_room(o, 56)))
				return;
			if (r && !i)
				*to++ = ',', o->n++;
			if (c->width > 1 && !i)
				*to++ = '[', o->n++;
			if (i)
				*to++ = ',', o->n++;
			o->n += element(to, c, r * c->width + i, null);
		}
		if (c->width > 1)
			json_put_bytes(o, "]", 1);
	}
	json_put_bytes(o, "]", 1);
}

/* Is a key of that name something else in the JSON object? */
static int
taken(const struct tr_frame *f, const char *key)
{
	static const char *const words[] = {"kind", "text", "data", "rows", "cols"};
	size_t i;

	for (i = 0; i < LEN(words); i++)
		if (!strcmp(key, words[i]))
			return 1;
	for (i = 0; i < (size_t)f->ncols; i++)
		if (!strcmp(key, f->cols[i].name))
			return 1;
	return 0;
}

int
jsonl_put(struct json_out *o, const struct tr_frame *f)
{
	char buf[TR_HEADER_MAX], name[TR_NAME_MAX + 1];
	const char *key, *val;
	uint64_t u;
	int i, n;

	json_put_open(o, '{');
	json_put_key(o, "kind");
	json_put_str(o, f->kind, strlen(f->kind));
	for (i = 0; i < f->nkeys; i++) {
		key = frame_key(f, i);
		val = frame_val(f, i);
		if (!strcmp(f->kind, "end") && (!strcmp(key, "index") || !strcmp(key, "size")))
			continue; /* places in a file */
		snprintf(name, sizeof name, "%s%s", taken(f, key) ? "@" : "", key);
		json_put_key(o, name);
		if (!num_u64(val, 0, INT64_MAX, &u) && (*val != '0' || !val[1])) {
			json_put_u64(o, u);
		} else {
			if ((n = tr_text(f, key, buf, sizeof buf)) < 0)
				return -1;
			json_put_str(o, buf, (size_t)n);
		}
	}
	if (f->has_rows) {
		json_put_key(o, "rows");
		json_put_u64(o, f->rows);
		json_put_key(o, "cols");
		json_put_raw(o, "\"", 1);
		for (i = 0; i < f->ncols; i++) {
			const struct tr_col *c = &f->cols[i];

			n = snprintf(buf, sizeof buf, "%s%s:%s", i ? "," : "", c->name, c->dtype);
			if (c->width > 1)
				n += snprintf(buf + n, sizeof buf - (size_t)n, ":%u", c->width);
			json_put_bytes(o, buf, (size_t)n);
		}
		json_put_bytes(o, "\"", 1);
		for (i = 0; i < f->ncols; i++) {
			json_put_key(o, f->cols[i].name);
			column(o, f, &f->cols[i]);
		}
	} else if (f->payload && f->bytes) {
		if (f->enc[0])
			return -1;
		if ((!strcmp(f->kind, "note") || !strcmp(f->kind, "text")) &&
		    utf8(f->payload, f->bytes)) {
			json_put_key(o, "text");
			json_put_str(o, f->payload, f->bytes);
		} else {
			json_put_key(o, "data");
			data(o, f->payload, f->bytes);
		}
	}
	json_put_close(o);
	json_put_bytes(o, "\n", 1);
	o->some = 0;
	return o->bad ? -1 : 0;
}

/* ---- from JSON ---- */

static int
room(char **p, size_t *cap, size_t n)
{
	char *q;

	if (*cap >= n && *p)
		return 0;
	if (!(q = realloc(*p, n + n / 4 + 64)))
		return -1;
	*p = q;
	*cap = n + n / 4 + 64;
	return 0;
}

static const char *
blank(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
		p++;
	return p;
}

static void
store(char *to, uint32_t size, uint64_t b)
{
	uint8_t b8 = (uint8_t)b;
	uint16_t b16 = (uint16_t)b;
	uint32_t b32 = (uint32_t)b;

	if (size == 1)
		memcpy(to, &b8, 1);
	else if (size == 2)
		memcpy(to, &b16, 2);
	else if (size == 4)
		memcpy(to, &b32, 4);
	else
		memcpy(to, &b, 8);
}

/* "nan", "inf", "-inf", "nan:BITS" */
static const char *
odd(const struct tr_col *c, const char *p, const char *end, char *to)
{
	const char *q = memchr(p + 1, '"', (size_t)(end - p) - 1);
	uint64_t b = 0, inf = special[c->type].inf;
	size_t n = q ? (size_t)(q - p) - 1 : 0;

	if (n == 3 && !memcmp(p + 1, "nan", 3)) {
		b = special[c->type].nan;
	} else if (n == 3 && !memcmp(p + 1, "inf", 3)) {
		b = inf;
	} else if (n == 4 && !memcmp(p + 1, "-inf", 4)) {
		b = inf | special[c->type].sign;
	} else if (n > 4 && n <= 4 + 2 * c->size && !memcmp(p + 1, "nan:", 4)) {
		for (p += 5; p < q; p++) {
			if (*p >= '0' && *p <= '9')
				b = b << 4 | (uint64_t)(*p - '0');
			else if (*p >= 'a' && *p <= 'f')
				b = b << 4 | (uint64_t)(*p - 'a' + 10);
			else
				return NULL;
		}
		if ((b & inf) != inf || !(b & ~(inf | special[c->type].sign)))
			return NULL;
	} else {
		return NULL;
	}
	store(to, c->size, b);
	return q + 1;
}

/* One element at p into to: the byte past it, or NULL. */
static const char *
scan(const struct tr_col *c, const char *p, const char *end, char *to)
{
	const char *q = p;
	uint64_t most = UINT64_MAX >> (64 - 8 * c->size), u;
	float x;
	double d;
	int minus;

	if (p >= end)
		return NULL;
	if (c->type <= TR_U64 && *p == 'n') {
		if (end - p < 4 || memcmp(p, "null", 4))
			return NULL;
		store(to, c->size, most);
		return p + 4;
	}
	if (*p == '"')
		return c->type >= TR_F16 ? odd(c, p, end, to) : NULL;
	if (c->type < TR_F16) {
		minus = c->type >= TR_I8 && *p == '-';
		for (q = p += minus, u = 0; q < end && *q >= '0' && *q <= '9' && q - p < 18; q++)
			u = u * 10 + (uint64_t)(*q - '0');
		if (q < end && *q >= '0' && *q <= '9') {
			while (q < end && *q >= '0' && *q <= '9')
				q++;
			if (num_u64n(p, q, 0, UINT64_MAX, &u))
				return NULL;
		}
		if (c->type >= TR_I8)
			most = (most >> 1) + (uint64_t)minus;
		if (q == p || (*p == '0' && q > p + 1) || u > most)
			return NULL;
		store(to, c->size, minus ? -u : u);
		return q;
	}
	while (q < end && (*q == '-' || *q == '+' || *q == '.' || *q == 'e' || *q == 'E' ||
			   (*q >= '0' && *q <= '9')))
		q++;
	if (c->type == TR_F64) {
		if (num_f64(p, q, &d))
			return NULL;
		memcpy(to, &d, 8);
		return q;
	}
	if (num_f32(p, q, &x))
		return NULL;
	if (c->type == TR_F32) {
		memcpy(to, &x, 4);
	} else {
		u = c->type == TR_F16 ? half_from(x) : bf16_from(x);
		if ((u & special[c->type].inf) == special[c->type].inf)
			return NULL; /* a number that this type does not reach */
		store(to, 2, u);
	}
	return q;
}

/* Column i of x->f, whose rows are known, from its array at p; past it or NULL. */
static const char *
column_get(struct jsonl *x, int i, const char *p, const char *end)
{
	struct tr_col *c = &x->f->cols[i];
	uint64_t n = x->f->rows * c->width, r, k;
	char *to;
	long len;

	if (c->type == TR_OTHER) {
		const char *q =
			p < end && *p == '"' ? memchr(p + 1, '"', (size_t)(end - p) - 1) : NULL;

		if (!q || (uint64_t)(q - p - 1) != BASE64_LEN(n * c->size) ||
		    room(&x->buf[i], &x->cap[i], (size_t)(q - p)))
			return NULL;
		len = base64_get(x->buf[i], p + 1, (size_t)(q - p) - 1);
		return len < 0 || (uint64_t)len != n * c->size ? NULL : q + 1;
	}
	/* each element takes two bytes of text at least: a lying rows= cannot
	 * make us ask for much */
	if (n > (uint64_t)(end - p) || room(&x->buf[i], &x->cap[i], n * c->size + 8))
		return NULL;
	to = x->buf[i];
	if (p >= end || *p != '[')
		return NULL;
	p = blank(p + 1, end);
	for (r = 0; r < x->f->rows; r++) {
		if (r) {
			if (p >= end || *p != ',')
				return NULL;
			p = blank(p + 1, end);
		}
		if (c->width == 1) {
			if (!(p = scan(c, p, end, to)))
				return NULL;
			to += c->size;
			p = blank(p, end);
			continue;
		}
		if (p >= end || *p != '[')
			return NULL;
		for (k = 0; k < c->width; k++) {
			if (k && (p >= end || *p != ','))
				return NULL;
			p = blank(p + 1, end); /* past '[' or ',' */
			if (!(p = scan(c, p, end, to)))
				return NULL;
			to += c->size;
			p = blank(p, end);
		}
		if (p >= end || *p != ']')
			return NULL;
		p = blank(p + 1, end);
	}
	return p < end && *p == ']' ? p + 1 : NULL;
}

/* "ids:u8:2,w:f16:2" of n bytes into f's columns: 0 or -1. */
static int
cols_get(struct tr_frame *f, const char *s, size_t n)
{
	static const char none[8];
	const char *end = s + n, *e;
	char word[TR_NAME_MAX + 40], *dtype, *width;
	uint64_t w, sum = 0;
	struct tr_col *c;
	int i;

	f->ncols = 0;
	for (; s <= end; s = e + 1) {
		if (!(e = memchr(s, ',', (size_t)(end - s))))
			e = end;
		if ((size_t)(e - s) >= sizeof word || f->ncols == TR_COLS_MAX)
			return -1;
		memcpy(word, s, (size_t)(e - s));
		word[e - s] = '\0';
		if (!(dtype = strchr(word, ':')))
			return -1;
		*dtype++ = '\0';
		w = 1;
		if ((width = strchr(dtype, ':'))) {
			*width++ = '\0';
			if (num_u64(width, 1, TR_WIDTH_MAX, &w))
				return -1;
		}
		for (i = 0; i < f->ncols; i++)
			if (!strcmp(f->cols[i].name, word))
				return -1;
		/* tr_addcol judges the name, with a type that it knows */
		if (tr_addcol(f, word, TR_U8, w, none) < 0 || strlen(dtype) >= sizeof c->dtype)
			return -1;
		c = &f->cols[f->ncols - 1];
		if (frame_dtype(dtype, &c->type, &c->size))
			return -1;
		snprintf(c->dtype, sizeof c->dtype, "%s", dtype);
		sum += f->rows * w * c->size + TR_ALIGN;
		if (sum > TR_BYTES_MAX + TR_ALIGN)
			return -1;
	}
	return 0;
}

/* Columns are taken before there are tokens, as soon as rows and cols, which
 * stand in front of them, are known. */
static const char *
take(void *arg, const char *key, size_t nkey, const char *p, const char *end)
{
	struct jsonl *x = arg;
	struct tr_frame *f = x->f;
	const char *q;
	uint64_t n;
	int i;

	if (nkey == 4 && !memcmp(key, "rows", 4)) {
		for (q = p; q < end && *q >= '0' && *q <= '9';)
			q++;
		if (!f->has_rows && !num_u64n(p, q, 0, TR_ROWS_MAX, &n))
			tr_rows(f, n);
	} else if (nkey == 4 && !memcmp(key, "cols", 4)) {
		if (f->has_rows && !f->ncols && p < end && *p == '"' &&
		    (q = memchr(p + 1, '"', (size_t)(end - p) - 1)) &&
		    cols_get(f, p + 1, (size_t)(q - p) - 1))
			f->ncols = 0;
	} else {
		for (i = 0; i < f->ncols; i++)
			if (strlen(f->cols[i].name) == nkey &&
			    !memcmp(f->cols[i].name, key, nkey) && !x->got[i] &&
			    (q = column_get(x, i, p, end))) {
				x->got[i] = 1;
				return q;
			}
	}
	return NULL;
}

static int
table(struct jsonl *x)
{
	struct tr_frame *f = x->f;
	struct json *j = &x->j;
	int rows = json_find(j, 0, "rows"), cols = json_find(j, 0, "cols"), i, v;
	const char *p;
	uint64_t n;
	size_t len;

	if (rows < 0 && cols < 0) {
		f->has_rows = 0;
		return 0;
	}
	if (json_u64(j, rows, &n) || n > TR_ROWS_MAX)
		return json_fail(j, rows, "rows and cols come together, and rows is a number");
	if (json_type(j, cols) != JSON_STR)
		return json_fail(j, cols, "rows and cols come together, and cols is a string");
	if (!f->ncols) {
		tr_rows(f, n);
		p = json_raw(j, cols, &len);
		if (cols_get(f, p + 1, len - 2))
			return json_fail(j, cols, "cols: no list of columns");
	}
	for (i = 0; i < f->ncols; i++) {
		if ((v = json_find(j, 0, f->cols[i].name)) < 0)
			return json_fail(j, cols, "column %s is missing", f->cols[i].name);
		p = json_raw(j, v, &len);
		if (!x->got[i] && !column_get(x, i, p, p + len))
			return json_fail(j, v, "column %s: not %llu rows of %u %s", f->cols[i].name,
					 (unsigned long long)f->rows, f->cols[i].width,
					 f->cols[i].dtype);
		f->cols[i].data = x->buf[i];
		f->cols[i].rows = f->rows;
	}
	frame_layout(f);
	return f->need > TR_BYTES_MAX ? json_fail(j, cols, "more than 2^30 bytes") : 0;
}

static int
payload_get(struct jsonl *x, int v, int text)
{
	const char *p;
	size_t n;
	long len;

	p = json_raw(&x->j, v, &n);
	if (room(&x->payload, &x->cappayload, n))
		return json_fail(&x->j, v, "no memory");
	len = text ? json_str(&x->j, v, x->payload, x->cappayload)
		   : base64_get(x->payload, p + 1, n - 2);
	if (len < 0 || (uint64_t)len > TR_BYTES_MAX)
		return json_fail(&x->j, v, text ? "text: too long" : "data: no base64");
	tr_payload(x->f, x->payload, (uint64_t)len);
	return 0;
}

static int
kind_ok(const char *s)
{
	if (*s < 'a' || *s > 'z')
		return 0;
	for (s++; *s; s++)
		if (!(*s >= 'a' && *s <= 'z') && !(*s >= '0' && *s <= '9') && *s != '-' &&
		    *s != '_')
			return 0;
	return 1;
}

/* Member m as a key of the frame. */
static int
key_get(struct jsonl *x, int m, const char *name)
{
	char val[TR_HEADER_MAX];
	struct json *j = &x->j;
	const char *p;
	size_t n;
	long len;
	int rc;

	if (json_type(j, m + 1) == JSON_NUM) {
		p = json_raw(j, m + 1, &n);
		if (n >= sizeof val)
			return json_fail(j, m + 1, "%s: too long", name);
		memcpy(val, p, n);
		val[n] = '\0';
	} else {
		len = json_str(j, m + 1, val, sizeof val);
		if (len < 0)
			return json_fail(j, m + 1, "%s: neither a number nor a short string", name);
		if (!len || strlen(val) != (size_t)len)
			return json_fail(j, m + 1, "%s: empty, or holds a NUL", name);
	}
	rc = tr_set(x->f, name, val);
	if (rc == TR_ELIMIT)
		return json_fail(j, m, "%s: more than a header holds", name);
	return rc < 0 ? json_fail(j, m, "\"%s\" cannot be a key", name) : 0;
}

int
jsonl_get(struct jsonl *x, const char *p, size_t n, struct tr_frame *f)
{
	struct json *j = &x->j;
	char kind[TR_NAME_MAX], name[TR_NAME_MAX + 1], *key;
	int m, v, i;

	x->f = f;
	tr_new(f, "");
	memset(x->got, 0, sizeof x->got);
	if (json_parse_take(j, p, n, take, x))
		return -1;
	v = json_find(j, 0, "kind");
	if (json_str(j, v, kind, sizeof kind) < 1 || !kind_ok(kind))
		return json_fail(j, v, "kind is not the name of a frame");
	memcpy(f->kind, kind, sizeof kind);
	if (table(x))
		return -1;
	if (!strcmp(kind, "trace")) {
		v = json_find(j, 0, "v");
		if (!(v > 0 ? !key_get(x, v - 1, "v") && tr_get(f, "v", 0) == 1 : 0))
			return json_fail(j, v, "v is not 1");
	}
	for (m = json_first(j, 0); m >= 0; m = json_next(j, 0, m)) {
		if (json_str(j, m, name, sizeof name) < 0)
			return json_fail(j, m, "a name longer than %d bytes", TR_NAME_MAX);
		if (!strcmp(name, "kind") || !strcmp(name, "rows") || !strcmp(name, "cols"))
			continue;
		for (i = 0; i < f->ncols && strcmp(name, f->cols[i].name); i++)
			;
		if (i < f->ncols)
			continue;
		if (!strcmp(name, "text") || !strcmp(name, "data")) {
			if (f->has_rows || f->bytes || json_type(j, m + 1) != JSON_STR)
				return json_fail(j, m, "%s: a payload is one string, without cols",
						 name);
			if (payload_get(x, m + 1, *name == 't'))
				return -1;
			continue;
		}
		key = name + (*name == '@');
		if (key_get(x, m, key))
			return -1;
	}
	return 0;
}

void
jsonl_free(struct jsonl *x)
{
	int i;

	json_free(&x->j);
	for (i = 0; i < TR_COLS_MAX; i++)
		free(x->buf[i]);
	free(x->payload);
	memset(x, 0, sizeof *x);
}
