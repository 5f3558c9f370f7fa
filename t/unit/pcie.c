/*
 * pcie-bw with three GPUs that are none: times follow from the sizes, so that what the
 * tool makes of them can be compared.  g2 is out of reach of the others.
 */
#include "../../tools/bench/pcie-bw.c"

enum { GPUS = 3, BROKEN = 54321, TOO_LARGE = 12345 };

struct copy_run {
	struct copy c;
	int i;
};

const char *
copy_errstr(void)
{
	return "so the test wants it";
}

int
copy_devices(void)
{
	return GPUS;
}

int
copy_link(int device, struct copy_link *l)
{
	*l = (struct copy_link){"Card Of Paper", "0000:00:00.0", 3, 8, 5, 16};
	l->pci[6] = (char)('0' + device);
	if (device)
		l->gen = l->width = l->max_gen = l->max_width = 0;
	return 0;
}

int
copy_peer(int from, int to, struct copy_peer *p)
{
	*p = (struct copy_peer){from != 2 && to != 2, 1, from + to};
	return 0;
}

struct copy_run *
copy_open(const struct copy *c, int *err)
{
	struct copy_run *r = c->bytes == TOO_LARGE ? NULL : xcalloc(1, sizeof *r);

	*err = r ? 0 : GPU_ENOMEM;
	if (r)
		r->c = *c;
	return r;
}

/* GB/s: 2000 within, 100 and 20 with and without access, 50 and 10 pinned and pageable;
 * kernels 0.8 of it, both ways 1.6; the 13 samples about the median in steps of 1 %. */
int
copy_sample(struct copy_run *r, double *us)
{
	const struct copy *c = &r->c;
	int any_host = c->from == COPY_HOST || c->to == COPY_HOST;
	double rate = any_host           ? c->pageable ? 10 : 50
		      : c->from == c->to ? 2000
		      : c->access        ? 100
					 : 20;

	*us = (double)c->bytes / rate / 1e3 * (c->how == COPY_KERNEL ? 1.25 : 1) *
	      (c->both ? 1.25 : 1);
	if (c->how == COPY_GRAPH)
		*us = 1.5;
	else if (c->how == COPY_CHASE)
		*us = any_host ? 1 : 0.5;
	*us *= 1 + 0.01 * (r->i++ * 5 % 13 - 6);
	return 0;
}

int
copy_plain(struct copy_run *r, double *us)
{
	r->i--;
	copy_sample(r, us);
	*us *= 1.25;
	return 0;
}

int
copy_check(struct copy_run *r)
{
	return r->c.bytes == BROKEN ? GPU_EFAIL : 0;
}

void
copy_close(struct copy_run *r)
{
	free(r);
}
