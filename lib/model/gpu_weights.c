/* Weights on a GPU: held, or brought before they are used. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/model.h"
#include "../core/pool.h"
#include "../core/size.h"
#include "gpu_weights.h"

enum { CHUNK = 32 << 20, SHARE = 1 << 20 }; /* bytes of a buffer, and of a thread's part of it */

enum state { AWAY, COMING, HERE };
struct held {
	const struct tensor *part;
	uint64_t parts, each; /* numbers of one */
	enum tr_type type;
	void *p, *mark;   /* where it is, and the point from which on */
	int streamed;     /* comes and goes */
	int waited;       /* the stream has been told to wait for mark */
	enum state state; /* under the lock where there is a thread */
	uint64_t wanted;  /* by that bring_next */
	struct held *queued, *next;
};

/* What one bring_next named, and which was the next. */
struct list {
	struct held **held;
	uint64_t n;
	struct list *then, *next;
};

struct buffer {
	char *host;      /* pinned */
	void *raw, *end; /* for what is converted; the mark after which both are free */
};

struct bring {
	struct engine_opts opts;
	struct gpu_room *room;
	void *stream, *copies; /* the user's; that of copies */
	void *before;          /* the mark of the user's that copies wait for */
	struct buffer buffer[2];
	int turn; /* buffer */
	struct held *all;
	struct list *lists, *now;
	uint64_t calls; /* of bring_next */

	pthread_t thread;
	int running;
	pthread_mutex_t lock; /* of what follows, and of state */
	pthread_cond_t more, done;
	struct held *queue, **last;
	int quit, error;
	char why[320]; /* gpu_errstr of the thread */
};

struct filling {
	char *to;
	const char *from;
	size_t n;
};

static void
fill(void *arg, size_t i)
{
	const struct filling *f = arg;
	const size_t at = i * SHARE;

	memcpy(f->to + at, f->from + at, MIN(f->n - at, (size_t)SHARE));
}

/* Numbers of one type, as many as a buffer has room for, from *at of *part on. */
static uint64_t
take(struct bring *b, const struct held *h, uint64_t *part, uint64_t *at, char *to)
{
	const enum tr_type type = h->part[*part].type;
	const uint64_t size = tr_size(type);
	uint64_t n = 0;

	while (*part < h->parts && h->part[*part].type == type && n < CHUNK / size) {
		const uint64_t some = MIN(h->each - *at, CHUNK / size - n);
		struct filling f = {to + n * size, (const char *)h->part[*part].data + *at * size,
				    some * size};

		pool_each(b->opts.jobs, (f.n + SHARE - 1) / SHARE, fill, &f);
		n += some;
		*at += some;
		if (*at == h->each)
			++*part, *at = 0;
	}
	return n;
}

/* All of h to where it shall be, enqueued. */
static int
carry(struct bring *b, struct held *h)
{
	uint64_t part = 0, at = 0, done = 0;
	int r = gpu_after(b->copies, b->before);

	while (r == 0 && part < h->parts && h->each) {
		const enum tr_type of = h->part[part].type;
		struct buffer *u = &b->buffer[b->turn ^= 1];
		char *to = (char *)h->p + done * tr_size(h->type);
		uint64_t n;

		if ((r = gpu_wait(u->end)))
			break;
		n = take(b, h, &part, &at, u->host);
		done += n;
		r = gpu_send(of == h->type ? to : u->raw, u->host, n * tr_size(of), b->copies);
		if (r == 0 && of != h->type)
			r = k_convert(of, u->raw, h->type, to, n, b->copies);
		if (r == 0)
			r = gpu_set(u->end, b->copies);
	}
	return r ? r : gpu_set(h->mark, b->copies);
}

static void *
run(void *arg)
{
	struct bring *b = arg;
	int r = gpu_open(b->opts.gpu);

	pthread_mutex_lock(&b->lock);
	for (;;) {
		struct held *h;

		while (!b->queue && !b->quit)
			pthread_cond_wait(&b->more, &b->lock);
		if (!(h = b->queue))
			break;
		if (!(b->queue = h->queued))
			b->last = &b->queue;
		pthread_mutex_unlock(&b->lock);
		if (r == 0)
			r = carry(b, h);
		pthread_mutex_lock(&b->lock);
		if (r && !b->error) {
			b->error = r;
			snprintf(b->why, sizeof b->why, "%s", gpu_errstr());
		}
		h->state = HERE;
		pthread_cond_broadcast(&b->done);
	}
	pthread_mutex_unlock(&b->lock);
	return NULL;
}

static int
come(struct bring *b, struct held *h)
{
	if (!(h->p = h->streamed ? gpu_room_take(b->room, h->parts * h->each * tr_size(h->type))
				 : gpu_alloc(h->parts * h->each * tr_size(h->type))))
		return GPU_ENOMEM;
	h->waited = 0;
	if (!b->running) {
		int r = carry(b, h);

		h->state = HERE;
		return r;
	}
	pthread_mutex_lock(&b->lock);
	h->state = COMING;
	h->queued = NULL;
	*b->last = h;
	b->last = &h->queued;
	pthread_cond_signal(&b->more);
	pthread_mutex_unlock(&b->lock);
	return 0;
}

/* Until all of h is enqueued. */
static int
arrived(struct bring *b, struct held *h)
{
	int r;

	if (!b->running)
		return 0;
	pthread_mutex_lock(&b->lock);
	while (h->state == COMING)
		pthread_cond_wait(&b->done, &b->lock);
	r = b->error;
	pthread_mutex_unlock(&b->lock);
	return r;
}

/* What the user enqueues from here on finds h. */
static int
ready(struct bring *b, struct held *h)
{
	int r = arrived(b, h);

	if (r == 0 && !h->waited && (r = gpu_after(b->stream, h->mark)) == 0)
		h->waited = 1;
	return r;
}

static void
leave(struct bring *b, struct held *h)
{
	/* else who has the memory next meets the copy */
	if (h->p && h->streamed) {
		ready(b, h);
		gpu_room_give(b->room, h->p);
	} else if (h->p) {
		gpu_wait(h->mark);
		gpu_free(h->p);
	}
	h->p = NULL;
	h->state = AWAY;
}

/* Without a thread copies are made where they are wanted. */
static void
start(struct bring *b)
{
	if (!b->running && b->opts.stream)
		b->running = pthread_create(&b->thread, NULL, run, b) == 0;
}

const char *
bring_why(struct bring *b)
{
	return b->error ? b->why : gpu_errstr();
}

int
bring_hold(struct bring *b, struct weight *w)
{
	struct held *h;
	int r;

	if (w->held)
		return 0;
	if (!(h = calloc(1, sizeof *h)))
		return GPU_ENOMEM;
	*h = (struct held){.part = w->part,
			   .parts = w->parts,
			   .each = w->rows * w->cols,
			   .type = w->rows == 1 && w->parts == 1 ? TR_F32 : b->opts.type,
			   .next = b->all};
	h->streamed = b->opts.stream && h->type == b->opts.type && w->rows * w->parts > 1;
	r = (h->mark = gpu_mark()) ? 0 : GPU_EFAIL;
	if (r == 0 && !h->streamed && (r = come(b, h)) == 0)
		r = arrived(b, h);
	if (r) {
		leave(b, h);
		gpu_unmark(h->mark);
		free(h);
		return r;
	}
	w->held = b->all = h;
	return 0;
}

/* Lists may name it, whose weights are then gone as well. */
static void
forget(struct bring *b)
{
	for (struct list *l = b->lists, *next; l; l = next) {
		next = l->next;
		free(l->held);
		free(l);
	}
	b->lists = b->now = NULL;
}

void
bring_unhold(struct bring *b, struct weight *w)
{
	struct held *h = w->held, **at = &b->all;

	if (!h)
		return;
	forget(b);
	leave(b, h);
	while (*at != h)
		at = &(*at)->next;
	*at = h->next;
	gpu_unmark(h->mark);
	free(h);
	w->held = NULL;
}

static struct list *
list_of(struct bring *b, struct weight *const *w, uint64_t n)
{
	struct list *l;
	uint64_t i;

	for (l = b->lists; l; l = l->next) {
		for (i = 0; l->n == n && i < n && l->held[i] == w[i]->held; i++)
			;
		if (l->n == n && i == n)
			return l;
	}
	if (!(l = calloc(1, sizeof *l)) || !(l->held = malloc((n + 1) * sizeof *l->held))) {
		free(l);
		return NULL;
	}
	for (i = 0; i < n; i++)
		l->held[i] = w[i]->held;
	l->n = n;
	l->next = b->lists;
	return b->lists = l;
}

static void
want(struct bring *b, const struct list *l)
{
	for (uint64_t i = 0; l && i < l->n; i++)
		if (l->held[i])
			l->held[i]->wanted = b->calls;
}

static int
call(struct bring *b, const struct list *l)
{
	int r = 0;

	for (uint64_t i = 0; l && i < l->n && r == 0; i++)
		if (l->held[i] && !l->held[i]->p)
			r = come(b, l->held[i]);
	return r;
}

int
bring_next(struct bring *b, struct weight *const *w, uint64_t n)
{
	struct list *l;
	int r;

	if (!b->opts.stream || !n)
		return 0;
	start(b);
	if (!(l = list_of(b, w, n)))
		return GPU_ENOMEM;
	if (b->now)
		b->now->then = l;
	b->now = l;
	b->calls++;
	want(b, l);
	want(b, l->then);
	for (struct held *h = b->all; h; h = h->next)
		if (h->streamed && h->p && h->wanted != b->calls)
			leave(b, h);
	if ((r = gpu_set(b->before, b->stream)) || (r = call(b, l)))
		return r;
	if ((r = call(b, l->then)) == GPU_ENOMEM)
		r = 0; /* it comes when there is room */
	return r;
}

int
bring_use(struct bring *b, const struct weight *w, const void **p)
{
	struct held *h = w->held;
	int r = h ? 0 : GPU_EUSE;

	if (h && !h->p) {
		h->wanted = b->calls;
		start(b);
		if ((r = gpu_set(b->before, b->stream)) == 0)
			r = come(b, h);
	}
	if (r == 0)
		r = ready(b, h);
	*p = r ? NULL : h->p;
	return r;
}

enum tr_type
bring_type(const struct weight *w)
{
	return ((const struct held *)w->held)->type;
}

struct bring *
bring_open(const struct engine_opts *o, struct gpu_room *room, void *stream)
{
	struct bring *b = calloc(1, sizeof *b);

	if (!b)
		return NULL;
	b->opts = *o;
	b->room = room;
	b->stream = stream;
	b->last = &b->queue;
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->more, NULL);
	pthread_cond_init(&b->done, NULL);
	for (size_t i = 0; i < LEN(b->buffer); i++) {
		struct buffer *u = &b->buffer[i];

		if (!(u->host = gpu_pinned(CHUNK)) || !(u->raw = gpu_alloc(CHUNK)) ||
		    !(u->end = gpu_mark()))
			goto failed;
	}
	if ((b->copies = gpu_stream()) && (b->before = gpu_mark()))
		return b;
failed:
	bring_close(b);
	return NULL;
}

void
bring_close(struct bring *b)
{
	if (!b)
		return;
	if (b->running) {
		pthread_mutex_lock(&b->lock);
		b->quit = 1;
		pthread_cond_signal(&b->more);
		pthread_mutex_unlock(&b->lock);
		pthread_join(b->thread, NULL);
		b->running = 0;
	}
	gpu_sync();
	forget(b);
	for (struct held *h = b->all, *next; h; h = next) {
		next = h->next;
		leave(b, h);
		gpu_unmark(h->mark);
		free(h);
	}
	for (size_t i = 0; i < LEN(b->buffer); i++) {
		gpu_unpin(b->buffer[i].host);
		gpu_free(b->buffer[i].raw);
		gpu_unmark(b->buffer[i].end);
	}
	gpu_unmark(b->before);
	gpu_unstream(b->copies);
	pthread_cond_destroy(&b->done);
	pthread_cond_destroy(&b->more);
	pthread_mutex_destroy(&b->lock);
	free(b);
}
