/* Numbers as text, the same on every machine: C locale, shortest that reads back. */
#ifndef NUM_H
#define NUM_H

#include <stddef.h>
#include <stdint.h>

#include "moetrace.h"

enum { NUM_MAX = 32 }; /* bytes that any num_put_* may write; no NUL is written */

/* Each writes at to and returns the number of bytes. */
size_t num_put_u64(char *to, uint64_t n);
size_t num_put_i64(char *to, int64_t n);
/* The first of %.6g .. %.9g that reads back as the same f32; nan, inf, -inf. */
size_t num_put_f32(char *to, float x);
/* The same judged in f16 or bf16 (x is the widened value). */
size_t num_put_f16(char *to, uint16_t half);
size_t num_put_bf16(char *to, uint16_t half);
/* The first of %.15g .. %.17g that reads back. */
size_t num_put_f64(char *to, double x);
/* Exactly printf("%.6f", x), many times faster. */
size_t num_put_6f(char *to, float x);
/* Element i of a column in its own type. */
size_t num_put_col(char *to, const struct tr_col *c, uint64_t i);

/* Decimal digits only, lo <= n <= hi: 0, or -1.  The whole of s is used. */
int num_u64(const char *s, uint64_t lo, uint64_t hi, uint64_t *n);
/* The same for a number that ends before end. */
int num_u64n(const char *s, const char *end, uint64_t lo, uint64_t hi, uint64_t *n);
/* A finite decimal number, plain or with exponent; no blanks, no hex, no
 * names.  Correctly rounded.  0 or -1. */
int num_f64(const char *s, const char *end, double *x);
int num_f32(const char *s, const char *end, float *x);
/* Like num_u64 with K, M, G (powers of 1024) behind it. */
int num_size(const char *s, uint64_t *n);

/* exp, log and pow from + - * / alone: libm differs between machines, these
 * do not.  Relative error below 3e-16 (t/num.t measures). */
double num_exp(double x);
double num_log(double x);
double num_pow(double x, double y); /* x > 0 */
double num_erfc(double x);

#endif
