/*
 * NCCL by dlopen.  Communicators do not block, so that a rank that is gone is noticed: every
 * call is followed by asking until it is under way or time is over.
 */
#include <cuda_runtime.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "library.h"
#include "nccl.h"

extern "C" int gpu_fail(int code, int error, const char *what, ...)
	__attribute__((format(printf, 3, 4)));

static thread_local double patience = 10;

extern "C" const char *
nccl_errstr(void)
{
	return gpu_errstr();
}

extern "C" void
nccl_timeout(double seconds)
{
	patience = seconds;
}

#ifndef HAVE_NCCL
extern "C" int
nccl_open(int rank, int size, const char *idfile, int device, void **comm)
{
	return gpu_fail(GPU_ABSENT, 0, "built without nccl.h");
}

extern "C" int
nccl_alltoallv(void *comm, const void *send, const size_t *sendoff, const size_t *sendn, void *recv,
	       const size_t *recvoff, const size_t *recvn, void *stream)
{
	return GPU_ABSENT;
}

extern "C" int
nccl_wait(void *comm, void *stream)
{
	return GPU_ABSENT;
}

extern "C" int
nccl_barrier(void *comm, void *stream)
{
	return GPU_ABSENT;
}

extern "C" void
nccl_close(void *comm)
{
}
#else
#include <nccl.h>

/* X(field, symbol): what is called */
#define CALLED(X)                       \
	X(id, ncclGetUniqueId)          \
	X(init, ncclCommInitRankConfig) \
	X(state, ncclCommGetAsyncError) \
	X(start, ncclGroupStart)        \
	X(end, ncclGroupEnd)            \
	X(send, ncclSend)               \
	X(recv, ncclRecv)               \
	X(reduce, ncclAllReduce)        \
	X(finish, ncclCommFinalize)     \
	X(destroy, ncclCommDestroy)     \
	X(abort, ncclCommAbort)         \
	X(text, ncclGetErrorString)
#define FIELD(field, symbol) decltype(&symbol) field;
#define NAME(field, symbol) #symbol,

struct nccl {
	CALLED(FIELD)
};

struct joined {
	struct nccl f;
	ncclComm_t comm;
	int rank, size, device, failed;
	int *word; /* of the device, for barriers */
	double seconds;
};

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void
nap(void)
{
	const struct timespec t = {0, 100000};

	nanosleep(&t, NULL);
}

static int
library(struct nccl *f)
{
	static const char *const sonames[] = {"libnccl.so.2", NULL};
	static const char *const symbols[] = {CALLED(NAME)};
	constexpr size_t n = sizeof symbols / sizeof *symbols;
	void *to[n];
	char why[512];
	void *so = library_open(sonames, why, sizeof why);

	static_assert(sizeof *f == sizeof to, "pointers only");
	if (!so)
		return gpu_fail(GPU_ABSENT, 0, "%s", why);
	for (size_t i = 0; i < n; i++)
		if (!(to[i] = dlsym(so, symbols[i])))
			return gpu_fail(GPU_ABSENT, 0, "%s has no %s", sonames[0], symbols[i]);
	memcpy(f, to, sizeof to);
	return 0;
}

/* What a call returned: 0 once it is under way. */
static int
under_way(struct joined *j, ncclResult_t e, const char *what, double until)
{
	while (e == ncclInProgress) {
		ncclResult_t asked = j->comm ? j->f.state(j->comm, &e) : ncclSuccess;

		if (asked != ncclSuccess)
			e = asked;
		if (e == ncclInProgress && now() > until) {
			j->failed = 1;
			return gpu_fail(GPU_EFAIL, 0, "nccl: %s: no answer in %g s", what,
					j->seconds);
		}
		if (e == ncclInProgress)
			nap();
	}
	if (e == ncclSuccess)
		return 0;
	j->failed = 1;
	return gpu_fail(GPU_EFAIL, 0, "nccl: %s: %s", what, j->f.text(e));
}

/* Under the final name only when it is whole. */
static int
id_write(const char *file, const ncclUniqueId *id)
{
	char part[4096];
	int fd, r;

	if (snprintf(part, sizeof part, "%s.%ld", file, (long)getpid()) >= (int)sizeof part)
		return gpu_fail(GPU_EUSE, 0, "nccl: name of the id's file is too long");
	if ((fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) < 0)
		return gpu_fail(GPU_EFAIL, 0, "nccl: %s: %s", part, strerror(errno));
	r = write(fd, id, sizeof *id) == (ssize_t)sizeof *id ? 0 : -1;
	if (close(fd) || r)
		r = gpu_fail(GPU_EFAIL, 0, "nccl: %s: %s", part, strerror(errno));
	else if (link(part, file))
		r = gpu_fail(GPU_EFAIL, 0, "nccl: %s: %s", file, strerror(errno));
	unlink(part);
	return r;
}

static int
id_read(const char *file, ncclUniqueId *id, double until)
{
	int fd;
	ssize_t n;

	while ((fd = open(file, O_RDONLY | O_CLOEXEC)) < 0) {
		if (errno != ENOENT)
			return gpu_fail(GPU_EFAIL, 0, "nccl: %s: %s", file, strerror(errno));
		if (now() > until)
			return gpu_fail(GPU_EFAIL, 0, "nccl: %s: no id of rank 0 came", file);
		nap();
	}
	n = read(fd, id, sizeof *id);
	close(fd);
	return n == (ssize_t)sizeof *id ? 0 : gpu_fail(GPU_EFAIL, 0, "nccl: %s holds no id", file);
}

static int
join(struct joined *j, const char *idfile)
{
	const double until = now() + j->seconds;
	ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
	ncclUniqueId id;
	ncclResult_t e;
	cudaError_t cuda;
	int r = 0;

	if ((cuda = cudaSetDevice(j->device)) || (cuda = cudaMalloc(&j->word, sizeof *j->word)) ||
	    (cuda = cudaMemset(j->word, 0, sizeof *j->word)))
		return gpu_fail(GPU_ABSENT, cuda, "device %d", j->device);
	if (j->rank)
		r = id_read(idfile, &id, until);
	else if ((e = j->f.id(&id)))
		r = gpu_fail(GPU_EFAIL, 0, "nccl: %s", j->f.text(e));
	else
		r = id_write(idfile, &id);
	if (r)
		return r;
	config.blocking = 0;
	r = under_way(j, j->f.init(&j->comm, j->size, id, j->rank, &config), "join", until);
	if (!j->rank)
		unlink(idfile);
	return r;
}

extern "C" int
nccl_open(int rank, int size, const char *idfile, int device, void **comm)
{
	struct joined *j;
	int r;

	*comm = NULL;
	if (size < 1 || rank < 0 || rank >= size)
		return gpu_fail(GPU_EUSE, 0, "nccl: rank %d of %d", rank, size);
	if (!(j = (struct joined *)calloc(1, sizeof *j)))
		return gpu_fail(GPU_ENOMEM, 0, "nccl: no memory");
	j->rank = rank;
	j->size = size;
	j->device = device;
	j->seconds = patience;
	if ((r = library(&j->f)) || (r = join(j, idfile))) {
		j->failed = 1;
		nccl_close(j);
		return r;
	}
	*comm = j;
	return 0;
}

extern "C" int
nccl_alltoallv(void *comm, const void *send, const size_t *sendoff, const size_t *sendn, void *recv,
	       const size_t *recvoff, const size_t *recvn, void *stream)
{
	struct joined *j = (struct joined *)comm;
	const double until = now() + j->seconds;
	cudaStream_t s = (cudaStream_t)stream;
	ncclResult_t e = j->f.start();

	for (int p = 0; !e && p < j->size; p++) {
		if (sendn[p])
			e = j->f.send((const char *)send + sendoff[p], sendn[p], ncclUint8, p,
				      j->comm, s);
		if (recvn[p] && (!e || e == ncclInProgress))
			e = j->f.recv((char *)recv + recvoff[p], recvn[p], ncclUint8, p, j->comm,
				      s);
		if (e == ncclInProgress)
			e = ncclSuccess;
	}

	ncclResult_t ended = j->f.end();

	return under_way(j, e ? e : ended, "exchange", until);
}

extern "C" int
nccl_wait(void *comm, void *stream)
{
	struct joined *j = (struct joined *)comm;
	const double until = now() + j->seconds;
	cudaError_t cuda;

	while ((cuda = cudaStreamQuery((cudaStream_t)stream)) == cudaErrorNotReady) {
		ncclResult_t e = ncclSuccess;
		int r = under_way(j, j->f.state(j->comm, &e), "state", until);

		if (!r && e != ncclSuccess && e != ncclInProgress)
			r = under_way(j, e, "exchange", until);
		if (r)
			return r;
		if (now() > until) {
			j->failed = 1;
			return gpu_fail(GPU_EFAIL, 0, "nccl: ranks did not come in %g s",
					j->seconds);
		}
	}
	if (!cuda)
		return 0;
	j->failed = 1;
	return gpu_fail(GPU_EFAIL, cuda, "nccl: exchange");
}

extern "C" int
nccl_barrier(void *comm, void *stream)
{
	struct joined *j = (struct joined *)comm;
	int r = under_way(
		j,
		j->f.reduce(j->word, j->word, 1, ncclInt32, ncclSum, j->comm, (cudaStream_t)stream),
		"barrier", now() + j->seconds);

	return r ? r : nccl_wait(comm, stream);
}

extern "C" void
nccl_close(void *comm)
{
	struct joined *j = (struct joined *)comm;

	if (!j)
		return;
	if (j->comm && !j->failed)
		under_way(j, j->f.finish(j->comm), "end", now() + j->seconds);
	if (j->comm && j->failed)
		j->f.abort(j->comm);
	else if (j->comm)
		j->f.destroy(j->comm);
	cudaFree(j->word);
	free(j);
}
#endif
