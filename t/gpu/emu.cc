/* The other half of emu.h, and gpu.h on the CPU, as far as tests use it. */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

#include "../../kernels/launch.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* one launch at a time */

enum { STACK = 256 << 10, SHARED = 228 << 10 };

struct emu_thread *emu_now;
size_t emu_large = 227 << 10;
dim3 emu_grid, emu_dim;
static void (*work)(void *);
static void *work_arg;
static void *scheduler; /* where it goes on */
static unsigned launches, grid_waiting;
static struct emu_thread *threads;
static struct emu_warp *warps;
static struct emu_block *blocks;
static size_t nthreads, nwarps, nblocks; /* places of each */

[[noreturn]] static void
fatal(const char *what)
{
	fprintf(stderr, "emu: block %u thread %u: %s\n", blockIdx.x, threadIdx.x, what);
	exit(2);
}

static void *
room(void *p, size_t n)
{
	if (!(p = realloc(p, n))) {
		fprintf(stderr, "emu: no memory\n");
		exit(2);
	}
	return p;
}

#if defined(__x86_64__)
/* What the ABI makes a function keep; signals and rounding stay as they are. */
extern "C" void emu_switch(void **from, void *to);
asm(".text\n.globl emu_switch\n.type emu_switch, @function\nemu_switch:\n"
    "	push %rbp\n	push %rbx\n	push %r12\n	push %r13\n	push %r14\n	push %r15\n"
    "	mov %rsp, (%rdi)\n	mov %rsi, %rsp\n"
    "	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n	pop %rbx\n	pop %rbp\n"
    "	ret\n.size emu_switch, .-emu_switch\n");

static void thread_main(void);

static void *
fresh(void *stack)
{
	void **sp = (void **)((char *)stack + STACK) - 1; /* as after a call */

	*--sp = (void *)thread_main;
	for (int i = 0; i < 6; i++)
		*--sp = nullptr;
	return sp;
}
#else
static void thread_main(void);

static void
emu_switch(void **from, void *to)
{
	if (!*from)
		*from = room(nullptr, sizeof(ucontext_t));
	swapcontext((ucontext_t *)*from, (ucontext_t *)to);
}

static void *
fresh(void *stack)
{
	ucontext_t *c = (ucontext_t *)room(nullptr, sizeof *c);

	getcontext(c);
	c->uc_stack.ss_sp = stack;
	c->uc_stack.ss_size = STACK;
	makecontext(c, thread_main, 0);
	return c;
}
#endif

static void
yield(void)
{
	emu_switch(&emu_now->sp, scheduler);
}

/* All of the block, or of the grid, go on where none that lives is elsewhere. */
static void
released(enum emu_kind kind)
{
	struct emu_block *b = emu_now->block;
	struct emu_thread *first = threads;
	size_t n = (size_t)nblocks * emu_dim.x * emu_dim.y * emu_dim.z;
	unsigned *waiting = kind == EMU_GRID ? &grid_waiting : &b->waiting, alive = 0;

	for (size_t i = 0; i < nblocks; i++)
		alive += kind == EMU_GRID || &blocks[i] == b ? blocks[i].alive : 0;
	if (!*waiting || *waiting < alive)
		return;
	*waiting = 0;
	for (size_t i = 0; i < n; i++)
		if (first[i].state == kind && (kind == EMU_GRID || first[i].block == b))
			first[i].state = EMU_RUNS;
}

static void
thread_main(void)
{
	work(work_arg);
	emu_now->state = EMU_DONE;
	emu_now->block->alive--;
	released(EMU_BLOCK);
	yield();
}

void
emu_wait(enum emu_kind kind)
{
	struct emu_thread *t = emu_now;

	t->state = kind;
	++*(kind == EMU_GRID ? &grid_waiting : &t->block->waiting);
	released(kind);
	if (t->state != EMU_RUNS)
		yield();
}

void
emu_meet(uint32_t mask, const char *what, uint64_t out)
{
	struct emu_thread *t = emu_now;

	if (!(mask >> t->lane & 1))
		fatal("a lane that its own mask leaves out");
	t->mask = mask, t->what = what, t->out = out, t->state = EMU_WARP;
	for (unsigned i = 0; i < 32; i++) {
		struct emu_thread *u = t->warp->lane[i];

		if (!(mask >> i & 1))
			continue;
		if (!u || u->state == EMU_DONE)
			fatal("a mask names a lane that is not there");
		if (u->state == EMU_WARP && u->mask == mask && strcmp(u->what, what))
			fatal("lanes of a mask meet in different calls");
		if (u->state != EMU_WARP || u->mask != mask) {
			yield();
			return;
		}
	}
	for (unsigned i = 0; i < 32; i++) {
		struct emu_thread *u = t->warp->lane[i];

		if (!(mask >> i & 1))
			continue;
		for (unsigned k = 0; k < 32; k++)
			if (mask >> k & 1)
				u->in[k] = t->warp->lane[k]->out;
	}
	for (unsigned i = 0; i < 32; i++)
		if (mask >> i & 1)
			t->warp->lane[i]->state = EMU_RUNS;
}

void *
emu_shared(size_t bytes)
{
	struct emu_thread *t = emu_now;
	void *p = t->block->shared + t->block->dynamic + t->shared;

	t->shared += (bytes + 15) & ~(size_t)15;
	if (t->block->dynamic + t->shared > SHARED)
		fatal("more shared memory than a block can have");
	return p;
}

void *
emu_dynamic(void)
{
	return emu_now->block->shared;
}

/* Threads of the blocks first .. first + n - 1 of the grid, until all are done. */
static void
run(unsigned first, unsigned n, size_t bytes)
{
	size_t size = (size_t)emu_dim.x * emu_dim.y * emu_dim.z, wide = (size + 31) / 32;
	size_t left = n * size;
	int moved = 1;

	if (n * size > nthreads) {
		threads = (struct emu_thread *)room(threads, n * size * sizeof *threads);
		memset((void *)(threads + nthreads), 0, (n * size - nthreads) * sizeof *threads);
		for (; nthreads < n * size; nthreads++)
			threads[nthreads].stack = room(nullptr, STACK);
	}
	if (n * wide > nwarps)
		warps = (struct emu_warp *)room(warps, (nwarps = n * wide) * sizeof *warps);
	memset(warps, 0, n * wide * sizeof *warps);
	static size_t places;
	if (n > places) {
		blocks = (struct emu_block *)room(blocks, n * sizeof *blocks);
		for (; places < n; places++)
			blocks[places].shared = (unsigned char *)room(nullptr, SHARED);
	}
	nblocks = n;
	for (unsigned b = 0; b < n; b++) {
		unsigned at = first + b;

		blocks[b].at = dim3(at % emu_grid.x, at / emu_grid.x % emu_grid.y,
				    at / emu_grid.x / emu_grid.y);
		blocks[b].alive = (unsigned)size;
		blocks[b].waiting = 0;
		blocks[b].dynamic = (bytes + 15) & ~(size_t)15;
		memset(blocks[b].shared, 0xa5, SHARED);
		for (unsigned i = 0; i < size; i++) {
			struct emu_thread *t = &threads[b * size + i];

			t->at = dim3(i % emu_dim.x, i / emu_dim.x % emu_dim.y,
				     i / emu_dim.x / emu_dim.y);
			t->state = EMU_RUNS;
			t->lane = i % 32;
			t->warp = &warps[b * wide + i / 32];
			t->warp->lane[i % 32] = t;
			t->block = &blocks[b];
			t->shared = 0;
#if !defined(__x86_64__)
			free(t->sp);
#endif
			t->sp = fresh(t->stack);
		}
	}
	while (left && moved) {
		moved = 0;
		for (size_t i = 0; i < n * size; i++) {
			emu_now = &threads[launches & 1 ? n * size - 1 - i : i];
			if (emu_now->state != EMU_RUNS)
				continue;
			moved = 1;
			emu_switch(&scheduler, emu_now->sp);
			left -= emu_now->state == EMU_DONE;
		}
	}
	if (left)
		fatal("threads wait for each other forever");
}

int
emu_launch(dim3 grid, dim3 block, size_t bytes, int together, void (*thread)(void *), void *arg)
{
	unsigned n = grid.x * grid.y * grid.z;

	if (!n || block.x * block.y * block.z == 0 || block.x * block.y * block.z > 1024 ||
	    grid.y > 65535 || grid.z > 65535 || bytes > SHARED)
		return gpu_fail(GPU_EFAIL, 0, "launch: sizes that no device has");
	if (together && n > EMU_RESIDENT)
		return gpu_fail(GPU_EFAIL, 0, "launch: more blocks than run at once");
	pthread_mutex_lock(&lock);
	emu_grid = grid, emu_dim = block;
	work = thread, work_arg = arg;
	launches++;
	if (together)
		run(0, n, bytes);
	for (unsigned i = 0; !together && i < n; i++)
		run(launches & 1 ? n - 1 - i : i, 1, bytes);
	pthread_mutex_unlock(&lock);
	return 0;
}

static thread_local char text[256];

/* Copies from pinned memory are put off until something waits for them, so that what does not
 * wait finds other numbers. */
struct later {
	void *to;
	const void *from;
	size_t n;
	struct later *next;
};
struct emu_stream {
	struct later *first, **last;
	uint64_t sent, done;
};
struct emu_mark {
	struct emu_stream *stream;
	uint64_t upto;
};
struct pinned {
	char *from;
	size_t n;
	struct pinned *next;
};
static pthread_mutex_t later_lock = PTHREAD_MUTEX_INITIALIZER; /* of all of these */
static struct pinned *pins;

static void
catch_up(struct emu_stream *s, uint64_t upto)
{
	pthread_mutex_lock(&later_lock);
	while (s && s->done < upto) {
		struct later *l = s->first;

		memcpy(l->to, l->from, l->n);
		if (!(s->first = l->next))
			s->last = &s->first;
		s->done++;
		free(l);
	}
	pthread_mutex_unlock(&later_lock);
}

void
emu_before(void *stream)
{
	if (stream)
		catch_up((struct emu_stream *)stream, ((struct emu_stream *)stream)->sent);
}

extern "C" {
int
gpu_fail(int code, int error, const char *what, ...)
{
	va_list ap;

	va_start(ap, what);
	vsnprintf(text, sizeof text, what, ap);
	va_end(ap);
	return code;
}

const char *
gpu_errstr(void)
{
	return text;
}

int
gpu_processors(void)
{
	return EMU_PROCESSORS;
}

int
gpu_count(void)
{
	return 1;
}

int
gpu_open(int device)
{
	return 0;
}

void
gpu_close(void)
{
}

void *
gpu_alloc(size_t n)
{
	void *p;

	return posix_memalign(&p, 256, n ? n : 1) ? nullptr : p;
}

void
gpu_free(void *p)
{
	free(p);
}

int
gpu_put(void *to, const void *from, size_t n)
{
	memcpy(to, from, n);
	return 0;
}

int
gpu_get(void *to, const void *from, size_t n)
{
	memcpy(to, from, n);
	return 0;
}

int
gpu_zero(void *to, size_t n)
{
	memset(to, 0, n);
	return 0;
}

int
gpu_sync(void)
{
	return 0;
}

int
gpu_capability(void)
{
	return 80;
}

void *
gpu_pinned(size_t n)
{
	struct pinned *p = (struct pinned *)room(nullptr, sizeof *p);

	*p = {(char *)room(nullptr, n), n, pins};
	pins = p;
	return p->from;
}

void
gpu_unpin(void *x)
{
	for (struct pinned **at = &pins, *p; (p = *at); at = &p->next)
		if (p->from == x) {
			*at = p->next;
			free(p);
			break;
		}
	free(x);
}

void *
gpu_stream(void)
{
	struct emu_stream *s = (struct emu_stream *)room(nullptr, sizeof *s);

	*s = {nullptr, &s->first, 0, 0};
	return s;
}

void
gpu_unstream(void *stream)
{
	emu_before(stream);
	free(stream);
}

int
gpu_send(void *to, const void *from, size_t n, void *stream)
{
	struct emu_stream *s = (struct emu_stream *)stream;
	struct later *l;
	bool pinned = false;

	for (struct pinned *p = pins; p; p = p->next)
		pinned |= (const char *)from >= p->from && (const char *)from < p->from + p->n;
	if (!pinned) {
		emu_before(s);
		memcpy(to, from, n);
		return 0;
	}
	l = (struct later *)room(nullptr, sizeof *l);
	*l = {to, from, n, nullptr};
	pthread_mutex_lock(&later_lock);
	*s->last = l;
	s->last = &l->next;
	s->sent++;
	pthread_mutex_unlock(&later_lock);
	return 0;
}

int
gpu_fetch(void *to, const void *from, size_t n, void *stream)
{
	emu_before(stream);
	memcpy(to, from, n);
	return 0;
}

void *
gpu_mark(void)
{
	return calloc(1, sizeof(struct emu_mark));
}

void
gpu_unmark(void *mark)
{
	free(mark);
}

int
gpu_set(void *mark, void *stream)
{
	struct emu_mark *m = (struct emu_mark *)mark;

	pthread_mutex_lock(&later_lock);
	m->stream = (struct emu_stream *)stream;
	m->upto = m->stream->sent;
	pthread_mutex_unlock(&later_lock);
	return 0;
}

int
gpu_wait(void *mark)
{
	struct emu_mark *m = (struct emu_mark *)mark;
	struct emu_stream *s;
	uint64_t upto;

	pthread_mutex_lock(&later_lock);
	s = m->stream;
	upto = m->upto;
	pthread_mutex_unlock(&later_lock);
	catch_up(s, upto);
	return 0;
}

int
gpu_after(void *stream, void *mark)
{
	return gpu_wait(mark);
}
}
