/* What samples say: median and spread. */
#ifndef SAMPLE_H
#define SAMPLE_H

struct sample {
	int n;
	double median, p10, p90, min, max; /* order statistics, between ranks linearly */
};

/* Of x [n], n >= 1, which is left in its order.  0, or -1: no memory. */
int sample_of(const double *x, int n, struct sample *s);
void sample_sort(double *x, int n); /* ascending */
/* Between ranks linearly, of x ascending. */
double sample_quantile(const double *x, int n, double q);
/* How uneven loads x [n] are: the greatest and the standard deviation, both over the mean; NAN
 * where all are 0. */
void sample_spread(const double *x, int n, double *max_mean, double *cv);

#endif
