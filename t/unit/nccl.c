/*
 * Messages by NCCL, TAP: one rank to itself where there is a GPU; that what is absent, or
 * never comes, is told, and that no file stays behind.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../../kernels/nccl.h"
#include "size.h"

static int tests, bad;

static void
end(int ok, const char *what)
{
	printf("%sok %d - %s\n", ok ? "" : "not ", ++tests, what);
	bad += !ok;
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void
alone(const char *id)
{
	static const size_t none[] = {0}, off[] = {8}, n[] = {1000};
	static unsigned char out[2048], in[2048];
	unsigned char *from = gpu_alloc(sizeof out), *to = gpu_alloc(sizeof in);
	void *comm = NULL;

	for (size_t i = 0; i < sizeof out; i++)
		out[i] = (unsigned char)(i * 7);
	end(nccl_open(0, 1, id, 0, &comm) == 0, "a rank joins itself");
	end(access(id, F_OK) != 0, "the id's file is gone");
	if (!comm || !from || !to || gpu_put(from, out, sizeof out) || gpu_zero(to, sizeof in)) {
		printf("Bail out! %s\n", gpu_errstr());
		return;
	}
	end(nccl_alltoallv(comm, from, off, n, to, none, n, NULL) == 0 &&
		    nccl_barrier(comm, NULL) == 0 && gpu_get(in, to, sizeof in) == 0 &&
		    !memcmp(in, out + 8, 1000) && !in[1000],
	    "what it sends itself comes");
	end(nccl_alltoallv(comm, from, off, none, to, off, none, NULL) == 0 &&
		    nccl_wait(comm, NULL) == 0,
	    "nothing at all is sent");
	nccl_close(comm);
	gpu_free(from);
	gpu_free(to);
}

/* Rank 0 of two, then rank 1, the other never coming. */
static void
lost(const char *id)
{
	for (int rank = 0; rank < 2; rank++) {
		void *comm = &comm;
		double since = now();

		nccl_timeout(0.5);
		end(nccl_open(rank, 2, id, 0, &comm) == GPU_EFAIL && !comm && now() - since < 10,
		    "a rank that never comes is given up");
		printf("# %s\n", nccl_errstr());
		end(access(id, F_OK) != 0, "and no file stays");
	}
}

int
main(void)
{
	const char *id = "nccl.id";
	void *comm = &comm;

	if (gpu_count() > 0 && gpu_open(0) == 0) {
		int r = nccl_open(0, 1, id, 0, &comm);

		if (r == GPU_ABSENT) {
			end(*nccl_errstr() && !comm, "no NCCL is told");
		} else {
			nccl_close(comm);
			alone(id);
			lost(id);
		}
		end(nccl_open(2, 2, id, 0, &comm) != 0 && !comm, "rank 2 of 2 is refused");
	} else {
		end(nccl_open(0, 1, id, 0, &comm) == GPU_ABSENT && !comm, "no device is told");
		printf("# %s\n", nccl_errstr());
		end(*nccl_errstr() && !strchr(nccl_errstr(), '\n'), "in one line");
		end(access(id, F_OK) != 0, "and no file is made");
		nccl_close(NULL);
	}
	printf("1..%d\n", tests);
	return bad != 0;
}
