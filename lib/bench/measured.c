#include <math.h>
#include <stdio.h>

#include "measured.h"

/* Four digits tell all that a clock can. */
const char *
measured_text(double x, char buf[32])
{
	snprintf(buf, 32, fabs(x) >= 1e4 && fabs(x) < 1e15 ? "%.0f" : "%.4g", x);
	return x == x ? buf : "-";
}

static int
set(struct tr_frame *f, const char *key, double x, int told)
{
	char buf[32];

	return tr_set(f, key, measured_text(told ? x : NAN, buf));
}

int
measured_put(struct tr_frame *f, const struct measured *m)
{
	struct sample s;
	double per = 0;
	int r;

	if (m->n < 1)
		return TR_EUSE;
	if (sample_of(m->us, m->n, &s) < 0)
		return TR_ENOMEM;
	per = s.median > 0 ? 1e6 / s.median : 0; /* calls a second */
	if ((r = set(f, "median_us", s.median, 1)) < 0 || (r = set(f, "p10_us", s.p10, 1)) < 0 ||
	    (r = set(f, "p90_us", s.p90, 1)) < 0 || (r = set(f, "min_us", s.min, 1)) < 0 ||
	    (r = tr_setu(f, "n", (uint64_t)m->n)) < 0 ||
	    (r = set(f, "moved_bytes", m->bytes, m->bytes > 0)) < 0 ||
	    (r = set(f, "gbs", m->bytes * per / 1e9, m->bytes > 0)) < 0 ||
	    (r = set(f, "pct_copy", 100 * m->bytes * per / m->copy, m->bytes > 0 && m->copy > 0)) <
		    0 ||
	    (r = set(f, "flops", m->flops, m->flops > 0)) < 0 ||
	    (r = set(f, "tflops", m->flops * per / 1e12, m->flops > 0)) < 0 ||
	    (r = set(f, "pct_product", 100 * m->flops * per / m->product,
		     m->flops > 0 && m->product > 0)) < 0 ||
	    (r = tr_set(f, "check", m->check ? m->check : "-")) < 0)
		return r;
	tr_rows(f, (uint64_t)m->n);
	return tr_addcol(f, "us", TR_F64, 1, m->us);
}
