/* Softmax and its best, see softtop.h. */
#include "softtop.h"
#include "num.h"

void
softtop_p(const float *x, uint32_t n, double *p)
{
	double most = n ? (double)x[0] : 0, sum = 0;

	for (uint32_t i = 1; i < n; i++)
		most = (double)x[i] > most ? (double)x[i] : most;
	for (uint32_t i = 0; i < n; i++)
		sum += p[i] = num_exp((double)x[i] - most);
	for (uint32_t i = 0; i < n; i++)
		p[i] /= sum;
}

/* Insertion: k is small. */
void
softtop_best(const float *x, uint32_t n, uint32_t k, uint16_t *id)
{
	uint32_t have = 0, j;

	for (uint32_t i = 0; i < n && k; i++) {
		if (have == k && !(x[i] > x[id[k - 1]]))
			continue;
		for (j = have < k ? have++ : k - 1; j > 0 && x[i] > x[id[j - 1]]; j--)
			id[j] = id[j - 1];
		id[j] = (uint16_t)i;
	}
}

void
softtop_w(const double *p, const uint16_t *id, uint32_t k, int renorm, float *w)
{
	double sum = 0;

	for (uint32_t i = 0; i < k; i++)
		sum += p[id[i]];
	for (uint32_t i = 0; i < k; i++)
		w[i] = (float)(renorm ? p[id[i]] / sum : p[id[i]]);
}
