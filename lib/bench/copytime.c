#include <stdlib.h>

#include "copytime.h"
#include "hostcopy.h"
#include "ring.h"

enum { WARM = 3, HOST_STEPS = 65536 };

static int
in_host(const struct copy *c)
{
	return c->from == COPY_HOST && c->to == COPY_HOST;
}

int
copytime_plain(const struct copy *c)
{
	return !in_host(c) && c->how == COPY_ENGINE && copy_held(c) && !c->both;
}

/* All return NULL, or why it failed. */
static const char *
host_copies(const struct copytime *t, const struct copy *c)
{
	struct hostcopy *h = hostcopy_new(c->bytes, t->jobs);
	const char *why = h ? NULL : "no memory";
	double warm;

	for (int i = -WARM; i < t->n && !why; i++)
		if (hostcopy_sample(h, i < 0 ? &warm : &t->us[i]) < 0)
			why = "no thread could be made";
	if (!why && hostcopy_check(h) < 0)
		why = "what came is not what was sent";
	hostcopy_free(h);
	return why;
}

static const char *
host_chase(const struct copytime *t, const struct copy *c)
{
	uint32_t at = 0;

	for (int i = -WARM; i < t->n; i++) {
		double us = ring_sample(c->ring, &at, HOST_STEPS);

		if (i >= 0)
			t->us[i] = us;
	}
	return NULL;
}

static const char *
gpu_copies(const struct copytime *t, const struct copy *c)
{
	int plain = copytime_plain(c), e = 0;
	struct copy_run *r = copy_open(c, &e);
	double warm;

	for (int i = -WARM; i < t->n && e == 0; i++) { /* by turns */
		e = copy_sample(r, i < 0 ? &warm : &t->us[i]);
		if (plain && e == 0)
			e = copy_plain(r, i < 0 ? &warm : &t->plain[i]);
	}
	if (e == 0)
		e = copy_check(r);
	copy_close(r);
	return e < 0 ? copy_errstr() : NULL;
}

/* 1 and *why: not here; -1 and *why: it cannot be told. */
static int
lacking(const struct copytime *t, const struct copy *c, const char **why)
{
	struct copy_peer p, back;

	*why = "absent";
	if (c->from >= t->devices || c->to >= t->devices)
		return 1;
	if (!c->access)
		return 0;
	*why = copy_errstr();
	if (copy_peer(c->from, c->to, &p) < 0 || copy_peer(c->to, c->from, &back) < 0)
		return -1;
	*why = "no-access";
	return !p.access || !back.access;
}

int
copytime(const struct copytime *t, const struct copy *c, const char **why)
{
	struct copy d = *c;
	uint32_t *ring = NULL;
	int r = lacking(t, c, why);

	if (r)
		return r;
	if (c->how == COPY_CHASE && !(d.ring = ring = ring_new(c->bytes, 1))) {
		*why = "no memory";
		return -1;
	}
	*why = !in_host(c) ? gpu_copies(t, &d) : ring ? host_chase(t, &d) : host_copies(t, &d);
	free(ring);
	return *why ? -1 : 0;
}
