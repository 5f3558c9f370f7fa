/*
 * Named arrays as they lie in other people's files: what the npy, pickle and
 * safetensors readers hand out.  Nothing is copied: data points into the file
 * (or, for deflated zip members, into memory that the list owns).
 */
#ifndef ARRAY_H
#define ARRAY_H

#include <stddef.h>
#include <stdint.h>

enum array_type {
	ARRAY_BOOL,
	ARRAY_U8,
	ARRAY_I8,
	ARRAY_U16,
	ARRAY_I16,
	ARRAY_U32,
	ARRAY_I32,
	ARRAY_U64,
	ARRAY_I64,
	ARRAY_F16,
	ARRAY_BF16,
	ARRAY_F32,
	ARRAY_F64,
	ARRAY_OTHER, /* listed, not read: fp8 and its like */
};

enum { ARRAY_DIMS = 8, ARRAY_ERR = 512 };

struct array {
	char *path; /* "scores", "0", "layer.3"; owned by the list */
	enum array_type type;
	char dtype[16]; /* as the listing names it: "i64", "bf16", "F8_E4M3" */
	uint32_t size;  /* bytes of an element */
	int ndim;
	uint64_t dim[ARRAY_DIMS];
	uint64_t stride[ARRAY_DIMS]; /* in elements; 0 in an expanded view */
	const unsigned char *data;   /* first element; perhaps unaligned */
	int swap;                    /* bytes are big-endian */
};

/* A scalar beside the arrays: what a dict of the generator carries. */
struct array_scalar {
	char *path;
	int is_text;
	int64_t i;  /* integer (bools as 0 and 1) */
	char *text; /* if is_text */
};

struct array_list {
	struct array *a;
	size_t n;
	struct array_scalar *scalar;
	size_t nscalar;
	void **owned; /* memory that data points into */
	size_t nowned;
	char err[ARRAY_ERR]; /* "entry: offset: reason" after a failure */
};

struct array_opts {
	uint64_t max_elements; /* 0: 2^31 */
	uint64_t max_bytes;    /* of one inflated member; 0: 4 GiB */
	int jobs;              /* members inflated at once */
	int no_crc;            /* a wrong CRC is no error (recent torch can omit it) */
	int bf16;              /* |V2 is bfloat16 */
	int object0;           /* accept the 0-d object wrapper around an array */
	int tables;            /* pickles of numpy arrays of f4 f8 i4 i8, nothing else */
	int records;           /* a pickle of many small arrays: its limits grow with its size */
};

/* What the first bytes say (pt-format: sniffing). */
enum array_kind {
	ARRAY_UNKNOWN,
	ARRAY_NPZ,
	ARRAY_TORCH,
	ARRAY_LEGACY,
	ARRAY_PICKLE,
	ARRAY_NPY,
	ARRAY_SAFETENSORS,
};

/* Kind of the n bytes at p, or ARRAY_UNKNOWN with the reason in err
 * ("an LFS pointer, not the file"). */
enum array_kind array_sniff(const unsigned char *p, size_t n, char err[ARRAY_ERR]);

/* Read any of them: 0, or -1 and l->err.  p must outlive the list.  Free l in
 * either case. */
int array_read(struct array_list *l, const unsigned char *p, size_t n, const struct array_opts *o);
void array_free(struct array_list *l);

const struct array *array_find(const struct array_list *l, const char *path);
const struct array_scalar *array_scalar(const struct array_list *l, const char *path);
uint64_t array_count(const struct array *a); /* product of dims, 1 for 0-d */
/* Rows [first, first + n) of the first axis, row-major, converted; each value
 * must fit: 0, or -1 where one does not (a fraction or a negative in u64). */
int array_f32(const struct array *a, uint64_t first, uint64_t n, float *to);
int array_f64(const struct array *a, uint64_t first, uint64_t n, double *to);
int array_i64(const struct array *a, uint64_t first, uint64_t n, int64_t *to);

/* Least and greatest value, and how many there are beside NaN; added to what *r
 * has, {0} at first.  0, or -1: elements that cannot be read (ARRAY_OTHER). */
struct array_range {
	double min, max;
	uint64_t n, nan;
};
int array_range(const struct array *a, struct array_range *r);

/* For the readers: append, growing; 0 or -1 (no memory).  path is copied. */
struct array *array_add(struct array_list *l, const char *path);
struct array_scalar *array_add_scalar(struct array_list *l, const char *path);
int array_own(struct array_list *l, void *p);
int array_err(struct array_list *l, const char *fmt, ...)
	__attribute__((format(printf, 2, 3))); /* sets l->err, returns -1 */

#endif
