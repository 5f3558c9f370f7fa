/* Header lines: parsed, built and printed.  moetrace(5), GRAMMAR and TABLES. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"
#include "num.h"
#include "size.h"

static const struct {
	const char name[5];
	uint32_t size;
} types[] = {
	[TR_U8] = {"u8", 1},     [TR_U16] = {"u16", 2}, [TR_U32] = {"u32", 4},
	[TR_U64] = {"u64", 8},   [TR_I8] = {"i8", 1},   [TR_I16] = {"i16", 2},
	[TR_I32] = {"i32", 4},   [TR_I64] = {"i64", 8}, [TR_F16] = {"f16", 2},
	[TR_BF16] = {"bf16", 2}, [TR_F32] = {"f32", 4}, [TR_F64] = {"f64", 8},
};

uint32_t
tr_size(enum tr_type type)
{
	return type < TR_OTHER ? types[type].size : 0;
}

const char *
tr_typename(enum tr_type type)
{
	return type < TR_OTHER ? types[type].name : "";
}

static int
fail(char err[FRAME_ERR], int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, FRAME_ERR, fmt, ap);
	va_end(ap);
	return code;
}

static inline int
lower(int c)
{
	return c >= 'a' && c <= 'z';
}

static inline int
digit(int c)
{
	return c >= '0' && c <= '9';
}

static inline int
hex(int c)
{
	return digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

int
frame_dtype(const char *word, enum tr_type *type, uint32_t *size)
{
	size_t n = strlen(word), i = n;
	uint64_t bits;

	for (int k = 0; k < TR_OTHER; k++)
		if (!strcmp(word, types[k].name)) {
			*type = k;
			*size = types[k].size;
			return 0;
		}
	/* One that we do not know tells its width by the number at its end. */
	while (i > 0 && digit(word[i - 1]))
		i--;
	if (!lower(word[0]) || i == n || num_u64(word + i, 8, 4096, &bits) < 0 || bits % 8)
		return -1;
	for (size_t k = 0; k < n; k++)
		if (!lower(word[k]) && !digit(word[k]))
			return -1;
	*type = TR_OTHER;
	*size = (uint32_t)bits / 8;
	return 0;
}

uint64_t
frame_offset(const struct tr_frame *f, int i)
{
	uint64_t off = 0;

	for (int k = 0; k < i; k++)
		off = size_align(off + f->rows * f->cols[k].width * f->cols[k].size, TR_ALIGN);
	return off;
}

void
frame_layout(struct tr_frame *f)
{
	f->need = 0;
	if (f->ncols && f->rows) {
		const struct tr_col *c = &f->cols[f->ncols - 1];

		f->need = frame_offset(f, f->ncols - 1) + f->rows * c->width * c->size;
	}
}

static int
reserved(const char *key)
{
	static const char *const words[] = {"bytes", "enc", "rows", "cols", "crc", "derived"};

	for (size_t i = 0; i < LEN(words); i++)
		if (!strcmp(key, words[i]))
			return 1;
	return 0;
}

static int
key_ok(const char *key, size_t n)
{
	if (n < 1 || n >= TR_NAME_MAX || !lower(key[0]))
		return 0;
	for (size_t i = 1; i < n; i++)
		if (!lower(key[i]) && !digit(key[i]) && key[i] != '_' && key[i] != '-' &&
		    key[i] != '.')
			return 0;
	return 1;
}

/* name:dtype[:width],...  val is NUL-ended and changed. */
static int
parse_cols(struct tr_frame *f, char *val, char err[FRAME_ERR])
{
	uint64_t width, bytes, need = 0;

	f->ncols = 0;
	for (char *s = val, *next; s; s = next) {
		if ((next = strchr(s, ',')))
			*next++ = 0;
		if (f->ncols == TR_COLS_MAX)
			return fail(err, TR_ELIMIT, "more than %d columns", TR_COLS_MAX);
		struct tr_col *c = &f->cols[f->ncols];
		char *dtype = strchr(s, ':'), *w = NULL;

		if (dtype) {
			*dtype++ = 0;
			if ((w = strchr(dtype, ':')))
				*w++ = 0;
		}
		width = 1;
		if (!dtype || !key_ok(s, strlen(s)) || strlen(dtype) >= sizeof c->dtype ||
		    frame_dtype(dtype, &c->type, &c->size) < 0 ||
		    (w && num_u64(w, 1, TR_WIDTH_MAX, &width) < 0))
			return fail(err, TR_ECOLS, "cols: \"%.40s:%.20s%s%.20s\" is no column", s,
				    dtype ? dtype : "", w ? ":" : "", w ? w : "");
		if (reserved(s))
			return fail(err, TR_ECOLS, "cols: a column cannot be named %s", s);
		for (int i = 0; i < f->ncols; i++)
			if (!strcmp(f->cols[i].name, s))
				return fail(err, TR_ECOLS, "cols: %s occurs twice", s);
		strcpy(c->name, s);
		strcpy(c->dtype, dtype);
		c->width = (uint32_t)width;
		c->rows = f->rows;
		c->data = NULL;
		f->ncols++;
		/* rows < 2^28, width <= 2^16, size <= 2^9: below 2^53 */
		bytes = f->rows * width * c->size;
		need = size_align(need, TR_ALIGN) + bytes;
		if (need > TR_BYTES_MAX)
			return fail(err, TR_ELIMIT, "cols need more than 2^30 bytes");
	}
	f->need = need;
	return 0;
}

int
frame_parse(struct tr_frame *f, const char *line, size_t n, uint64_t *bytes, uint32_t *crc,
	    size_t *crc_at, char err[FRAME_ERR])
{
	size_t i = 1, len = n - 1;
	int has_cols = 0, first = 1;
	char *cols = NULL;

	*bytes = 0;
	f->crc = 0;
	f->nkeys = 0;
	f->has_rows = 0;
	f->rows = 0;
	f->ncols = 0;
	f->need = 0;
	f->enc[0] = 0;
	f->payload = NULL;
	f->bytes = 0;
	if (n < 3 || n > TR_HEADER_MAX || line[0] != '@' || line[len] != '\n')
		return fail(err, TR_EHEADER, "no header line");
	memcpy(f->text, line, len);
	f->text[len] = 0;
	f->ntext = (uint16_t)(len + 1);

	while (i < len && line[i] != ' ')
		i++;
	if (i - 1 < 1 || i - 1 >= TR_NAME_MAX || !lower(line[1]))
		return fail(err, TR_EHEADER, "no kind after '@'");
	for (size_t k = 2; k < i; k++)
		if (!lower(line[k]) && !digit(line[k]) && line[k] != '-' && line[k] != '_')
			return fail(err, TR_EHEADER, "bad byte 0x%02x in the kind",
				    (unsigned char)line[k]);
	memcpy(f->kind, line + 1, i - 1);
	f->kind[i - 1] = 0;

	while (i < len) {
		size_t start = ++i, eq, end; /* line[i - 1] is the space */

		if (i == len || line[i] == ' ') { /* padding to the end */
			for (size_t k = i; k < len; k++)
				if (line[k] != ' ')
					return fail(err, TR_EHEADER, "two spaces before a key");
			break;
		}
		for (eq = start; eq < len && line[eq] != '=' && line[eq] != ' ';)
			eq++;
		if (eq == len || line[eq] != '=' || !key_ok(line + start, eq - start))
			return fail(err, TR_EHEADER, "no key=value at byte %zu", start);
		for (end = eq + 1; end < len && line[end] != ' '; end++) {
			unsigned char c = (unsigned char)line[end];

			if (c < 0x21 || c > 0x7e)
				return fail(err, TR_EHEADER, "bad byte 0x%02x in a value", c);
			if (c == '%' &&
			    (end + 2 >= len || !hex(line[end + 1]) || !hex(line[end + 2])))
				return fail(err, TR_EHEADER, "bad %% in a value");
		}
		char *key = f->text + start, *val = f->text + eq + 1;

		i = end;
		key[eq - start] = 0;
		f->text[end] = 0;
		if (end == eq + 1)
			return fail(err, TR_EHEADER, "%s has no value", key);
		if (f->crc)
			return fail(err, TR_EHEADER, "crc is not the last key");
		if (f->nkeys + f->has_rows + has_cols + !!*bytes + !!f->enc[0] >= TR_KEYS_MAX)
			return fail(err, TR_ELIMIT, "more than %d keys", TR_KEYS_MAX);
		for (int k = 0; k < f->nkeys; k++)
			if (!strcmp(frame_key(f, k), key))
				return fail(err, TR_EHEADER, "%s occurs twice", key);
		if (first && !strcmp(f->kind, "trace") && strcmp(key, "v"))
			return fail(err, TR_EHEADER, "the first key of @trace is not v");
		first = 0;
		if (!strcmp(key, "bytes")) {
			uint64_t b;

			if (*bytes)
				return fail(err, TR_EHEADER, "bytes occurs twice");
			if (num_u64(val, 1, INT64_MAX, &b) < 0)
				return fail(err, TR_EHEADER, "bytes=%.40s", val);
			if (b > TR_BYTES_MAX)
				return fail(err, TR_ELIMIT, "bytes=%.40s is above 2^30", val);
			*bytes = b;
		} else if (!strcmp(key, "enc")) {
			if (f->enc[0])
				return fail(err, TR_EHEADER, "enc occurs twice");
			if (strlen(val) >= sizeof f->enc)
				return fail(err, TR_EENC, "enc=%.40s is unknown", val);
			strcpy(f->enc, val);
		} else if (!strcmp(key, "rows")) {
			if (f->has_rows)
				return fail(err, TR_EHEADER, "rows occurs twice");
			if (num_u64(val, 0, INT64_MAX, &f->rows) < 0)
				return fail(err, TR_EHEADER, "rows=%.40s", val);
			if (f->rows > TR_ROWS_MAX)
				return fail(err, TR_ELIMIT, "rows=%.40s is above 2^28", val);
			f->has_rows = 1;
		} else if (!strcmp(key, "cols")) {
			if (has_cols)
				return fail(err, TR_EHEADER, "cols occurs twice");
			has_cols = 1;
			cols = val;
		} else if (!strcmp(key, "crc")) {
			uint32_t x = 0;

			if (strlen(val) != 8)
				return fail(err, TR_EHEADER, "crc=%.40s", val);
			for (int k = 0; k < 8; k++) {
				if (!digit(val[k]) && (val[k] < 'a' || val[k] > 'f'))
					return fail(err, TR_EHEADER, "crc=%.40s", val);
				x = x << 4 |
				    (uint32_t)(digit(val[k]) ? val[k] - '0' : val[k] - 'a' + 10);
			}
			*crc = x;
			*crc_at = start - 1;
			f->crc = 1;
		} else {
			f->keys[f->nkeys].key = (uint16_t)start;
			f->keys[f->nkeys].val = (uint16_t)(eq + 1);
			f->nkeys++;
		}
	}
	if (f->has_rows != has_cols)
		return fail(err, TR_ECOLS, "rows and cols come together");
	if (cols) {
		int r = parse_cols(f, cols, err);

		if (r < 0)
			return r;
		if (!f->enc[0] && f->need == 0 && *bytes)
			return fail(err, TR_ECOLS, "bytes=%llu but cols need 0",
				    (unsigned long long)*bytes);
		if (!f->enc[0] && f->need && (*bytes < f->need || *bytes >= f->need + TR_ALIGN))
			return fail(err, TR_ECOLS, "bytes=%llu but cols need %llu",
				    (unsigned long long)*bytes, (unsigned long long)f->need);
		if (f->enc[0] && (!*bytes || !f->need))
			return fail(err, TR_ECOLS, "enc without a payload");
	}
	if (f->enc[0] && !*bytes)
		return fail(err, TR_ECOLS, "enc without a payload");
	return 0;
}

/* ---- keys ---- */

static int
find(const struct tr_frame *f, const char *key)
{
	for (int i = 0; i < f->nkeys; i++)
		if (!strcmp(frame_key(f, i), key))
			return i;
	return -1;
}

int
tr_key(const struct tr_frame *f, const char *key, const char **val)
{
	int i = find(f, key);

	if (i < 0)
		return 0;
	*val = frame_val(f, i);
	return 1;
}

int
tr_num(const struct tr_frame *f, const char *key, uint64_t *n)
{
	int i = find(f, key);

	if (i < 0)
		return 0;
	return num_u64(frame_val(f, i), 0, INT64_MAX, n) < 0 ? TR_EVALUE : 1;
}

uint64_t
tr_get(const struct tr_frame *f, const char *key, uint64_t dflt)
{
	uint64_t n;

	return tr_num(f, key, &n) > 0 ? n : dflt;
}

static int
nibble(int c)
{
	return digit(c) ? c - '0' : (c | 32) - 'a' + 10;
}

int
tr_text(const struct tr_frame *f, const char *key, char *buf, size_t size)
{
	const char *s;
	size_t n = 0;

	if (!tr_key(f, key, &s))
		return 0;
	for (; *s; n++) {
		if (n + 1 >= size)
			return TR_ELIMIT;
		if (*s == '%') {
			buf[n] = (char)(nibble(s[1]) << 4 | nibble(s[2]));
			s += 3;
		} else {
			buf[n] = *s++;
		}
	}
	buf[n] = 0;
	return (int)n;
}

void
tr_new(struct tr_frame *f, const char *kind)
{
	memset(f, 0, offsetof(struct tr_frame, keys));
	snprintf(f->kind, sizeof f->kind, "%s", kind);
	f->ntext = 0;
	f->has_rows = 0;
	f->rows = 0;
	f->ncols = 0;
	f->need = 0;
	f->payload = NULL;
	f->bytes = 0;
	f->enc[0] = 0;
	f->crc = 1;
	f->raw = NULL;
	f->nraw = 0;
	f->from = NULL;
	f->number = 0;
	f->offset = 0;
	f->input = 0;
}

/* Drop the text that no key points to any more. */
static void
squeeze(struct tr_frame *f)
{
	char old[sizeof f->text];
	uint16_t n = 0;

	memcpy(old, f->text, f->ntext);
	for (int i = 0; i < f->nkeys; i++) {
		uint16_t *at[2] = {&f->keys[i].key, &f->keys[i].val};

		for (int k = 0; k < 2; k++) {
			const char *s = old + *at[k];

			*at[k] = n;
			strcpy(f->text + n, s);
			n = (uint16_t)(n + strlen(s) + 1);
		}
	}
	f->ntext = n;
}

int
tr_set(struct tr_frame *f, const char *key, const char *val)
{
	static const char digits[] = "0123456789abcdef";
	char enc[TR_HEADER_MAX];
	size_t n = 0, klen = strlen(key);
	int i = find(f, key);

	if (!key_ok(key, klen) || !*val || (reserved(key) && strcmp(key, "derived")))
		return TR_EHEADER;
	for (const char *s = val; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (n + 4 > sizeof enc)
			return TR_ELIMIT;
		if (c > 0x20 && c < 0x7f && c != '%') {
			enc[n++] = (char)c;
		} else {
			enc[n++] = '%';
			enc[n++] = digits[c >> 4];
			enc[n++] = digits[c & 15];
		}
	}
	enc[n++] = 0;
	if (sizeof f->text - f->ntext < n + klen + 1)
		squeeze(f);
	if (sizeof f->text - f->ntext < n + klen + 1)
		return TR_ELIMIT;
	f->raw = NULL;
	if (i < 0) {
		if (f->nkeys == TR_KEYS_MAX)
			return TR_ELIMIT;
		i = f->nkeys++;
		f->keys[i].key = f->ntext;
		memcpy(f->text + f->ntext, key, klen + 1);
		f->ntext = (uint16_t)(f->ntext + klen + 1);
	}
	f->keys[i].val = f->ntext;
	memcpy(f->text + f->ntext, enc, n);
	f->ntext = (uint16_t)(f->ntext + n);
	return 0;
}

int
tr_setu(struct tr_frame *f, const char *key, uint64_t n)
{
	char buf[NUM_MAX + 1];

	buf[num_put_u64(buf, n)] = 0;
	return tr_set(f, key, buf);
}

int
tr_setf(struct tr_frame *f, const char *key, double x)
{
	char buf[NUM_MAX + 1];

	buf[num_put_f64(buf, x)] = 0;
	return tr_set(f, key, buf);
}

void
tr_unset(struct tr_frame *f, const char *key)
{
	int i = find(f, key);

	if (i < 0)
		return;
	f->raw = NULL;
	memmove(f->keys + i, f->keys + i + 1, sizeof *f->keys * (size_t)(f->nkeys - i - 1));
	f->nkeys--;
}

void
tr_rows(struct tr_frame *f, uint64_t rows)
{
	f->raw = NULL;
	f->payload = NULL;
	f->bytes = 0;
	f->has_rows = 1;
	f->rows = rows;
	frame_layout(f);
}

int
tr_addcol(struct tr_frame *f, const char *name, enum tr_type type, uint64_t width, const void *data)
{
	int i = 0;

	if (type >= TR_OTHER || !width || width > TR_WIDTH_MAX || !key_ok(name, strlen(name)) ||
	    reserved(name))
		return TR_ECOLS;
	while (i < f->ncols && strcmp(f->cols[i].name, name))
		i++;
	if (i == TR_COLS_MAX)
		return TR_ELIMIT;
	struct tr_col *c = &f->cols[i];

	strcpy(c->name, name);
	strcpy(c->dtype, types[type].name);
	c->type = type;
	c->size = types[type].size;
	c->width = (uint32_t)width;
	c->rows = f->rows;
	c->data = data;
	if (i == f->ncols)
		f->ncols++;
	f->raw = NULL;
	f->payload = NULL;
	f->bytes = 0;
	f->has_rows = 1;
	frame_layout(f);
	return f->need > TR_BYTES_MAX ? TR_ELIMIT : 0;
}

void
tr_dropcol(struct tr_frame *f, const char *name)
{
	for (int i = 0; i < f->ncols; i++)
		if (!strcmp(f->cols[i].name, name)) {
			memmove(f->cols + i, f->cols + i + 1,
				sizeof *f->cols * (size_t)(f->ncols - i - 1));
			f->ncols--;
			f->raw = NULL;
			f->payload = NULL;
			f->bytes = 0;
			frame_layout(f);
			return;
		}
}

void
tr_payload(struct tr_frame *f, const void *p, uint64_t n)
{
	f->raw = NULL;
	f->payload = n ? p : NULL;
	f->bytes = n;
	f->enc[0] = 0;
}

int
frame_emit(const struct tr_frame *f, const char *enc, uint64_t bytes, char *line, size_t size)
{
	size_t n = 0;
	int r;

#define ADD(...)                                               \
	do {                                                   \
		r = snprintf(line + n, size - n, __VA_ARGS__); \
		if (r < 0 || (size_t)r >= size - n)            \
			return TR_ELIMIT;                      \
		n += (size_t)r;                                \
	} while (0)
	ADD("@%s", f->kind);
	for (int i = 0; i < f->nkeys; i++)
		ADD(" %s=%s", frame_key(f, i), frame_val(f, i));
	if (f->has_rows) {
		ADD(" rows=%llu cols=", (unsigned long long)f->rows);
		for (int i = 0; i < f->ncols; i++) {
			ADD("%s%s:%s", i ? "," : "", f->cols[i].name, f->cols[i].dtype);
			if (f->cols[i].width != 1)
				ADD(":%u", f->cols[i].width);
		}
	}
	if (enc && *enc)
		ADD(" enc=%s", enc);
	if (bytes)
		ADD(" bytes=%llu", (unsigned long long)bytes);
#undef ADD
	return (int)n;
}
