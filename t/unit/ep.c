/*
 * lib/ep/transport by itself: what arrives is what was sent, what fails ends.  TAP.
 * "ep mpi", under mpirun: exchanges between its processes, rank 0 prints.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../lib/ep/transport.h"
#include "rng.h"
#include "size.h"

static int tests, bad;

static void
end(int right, const char *kind, int size, const char *what)
{
	printf("%sok %d - %s, %d ranks: %s\n", right ? "" : "not ", ++tests, kind, size, what);
	bad += !right;
}

/* Bytes of part i of message number `round` from one rank to another: often none. */
static size_t
length(int round, int part, int from, int to)
{
	static const size_t most[] = {5, 0, 3000, 700000, 64};
	uint64_t at = (uint64_t)(((round * 2 + part) * EP_RANKS_MAX + from) * EP_RANKS_MAX + to);

	return (size_t)rng_below(1, 7, at, most[(round + from + 2 * to) % 5] + 1);
}

static unsigned char
byte(int round, int part, int from, int to, size_t i)
{
	return (unsigned char)(i * 31 + (i >> 11) + (size_t)(round * 7 + part * 5 + from * 3 + to));
}

struct message {
	struct ep_xfer x;
	size_t soff[2][EP_RANKS_MAX], sn[2][EP_RANKS_MAX], roff[2][EP_RANKS_MAX],
		rn[2][EP_RANKS_MAX];
};

/* Messages of a round, the receiving ends with gaps between that must stay as they are. */
static void
make(struct message *m, const struct ep *ep, int round)
{
	m->x.n = 2;
	for (int i = 0; i < 2; i++) {
		size_t s = 0, r = 8;
		unsigned char *send, *recv;

		for (int p = 0; p < ep->size; p++) {
			m->soff[i][p] = s;
			m->roff[i][p] = r;
			s += m->sn[i][p] = length(round, i, ep->rank, p);
			r += (m->rn[i][p] = length(round, i, p, ep->rank)) + 8;
		}
		send = malloc(s + 1);
		recv = malloc(r);
		memset(recv, 0xa5, r);
		for (int p = 0; p < ep->size; p++)
			for (size_t k = 0; k < m->sn[i][p]; k++)
				send[m->soff[i][p] + k] = byte(round, i, ep->rank, p, k);
		m->x.part[i] =
			(struct ep_part){send, m->soff[i], m->sn[i], recv, m->roff[i], m->rn[i]};
	}
}

static int
check(struct message *m, const struct ep *ep, int round)
{
	int wrong = 0;

	for (int i = 0; i < 2; i++) {
		unsigned char *recv = m->x.part[i].recv;

		for (int p = 0; p < ep->size; p++) {
			for (size_t k = 0; k < m->rn[i][p]; k++)
				wrong += recv[m->roff[i][p] + k] != byte(round, i, p, ep->rank, k);
			for (size_t k = 0; k < 8; k++)
				wrong += recv[m->roff[i][p] + m->rn[i][p] + k] != 0xa5;
		}
		free((void *)m->x.part[i].send);
		free(recv);
	}
	return wrong;
}

static int
exchanges(struct ep *ep, void *arg)
{
	double wrong = 0, all[EP_RANKS_MAX], *sum = arg;
	struct message *m = calloc(6, sizeof *m);
	int r = m ? 0 : -1, number[6];

	for (int round = 0; round < 10 && r == 0; round++) {
		make(m, ep, round);
		r = ep_exchange(ep, &m->x);
		wrong += check(m, ep, round);
	}
	for (int round = 0; round < 6; round++) { /* several under way */
		make(&m[round], ep, 10 + round);
		if ((number[round] = ep_start(ep, &m[round].x)) < 0)
			r = -1;
	}
	for (int round = 0; round < 6 && r == 0; round++) {
		double us = -1;

		r = ep_finish(ep, number[round], &us);
		wrong += check(&m[round], ep, 10 + round) + (us < 0);
	}
	free(m);
	if (r == 0)
		r = ep_gather(ep, &wrong, all, 1);
	for (int p = 0; p < ep->size && r == 0; p++)
		if (ep->rank == 0)
			*sum += all[p];
	return r;
}

/* Nobody leaves before all have come. */
static int
barriers(struct ep *ep, void *arg)
{
	int *fd = arg, r = 0;
	char c = 0;

	for (int i = 0; i < 20 && r == 0; i++) {
		if (ep->rank && write(fd[1], "x", 1) != 1)
			return -1;
		r = ep_barrier(ep);
		for (int p = 1; p < ep->size && ep->rank == 0; p++)
			if (read(fd[0], &c, 1) !=
			    1) /* not there yet: the end of file, by O_NONBLOCK */
				return ep_fail(ep, "the barrier does not hold");
		if (r == 0)
			r = ep_barrier(ep);
	}
	return r;
}

static int
gathers(struct ep *ep, void *arg)
{
	double mine[3] = {ep->rank, 0.5, -ep->rank}, all[3 * EP_RANKS_MAX];
	int r = ep_gather(ep, mine, all, 3);

	(void)arg;
	for (int p = 0; p < ep->size && r == 0; p++)
		if (all[3 * p] != p || all[3 * p + 1] != 0.5 || all[3 * p + 2] != -p)
			return ep_fail(ep, "what was gathered is wrong");
	return r;
}

enum fault { DIES, ENDS, FAILS, NEVER, LENGTH, STEP, MANY };

static int
faulty(struct ep *ep, void *arg)
{
	enum fault fault = *(enum fault *)arg;
	size_t n[EP_RANKS_MAX], m[EP_RANKS_MAX], off[EP_RANKS_MAX] = {0};
	char send[64] = "", recv[64];
	struct ep_xfer x = {1, {{send, off, n, recv, off, m}}};
	int r = ep_barrier(ep), last = ep->rank == ep->size - 1;

	for (int p = 0; p < ep->size; p++)
		n[p] = m[p] = 8;
	if (r < 0)
		return r;
	if (fault == MANY && !last)
		for (int i = 0; i <= EP_STARTED_MAX && r >= 0; i++)
			r = ep_start(ep, &x);
	if (r < 0)
		return r;
	if (last && fault == DIES)
		raise(SIGKILL);
	if (last && fault == ENDS)
		_exit(0);
	if (last && fault == FAILS)
		return ep_fail(ep, "no more of it");
	if (last && fault == LENGTH)
		n[0] = 9;
	if (last && fault == STEP && (r = ep_exchange(ep, &(struct ep_xfer){0})) < 0)
		return r;
	while (last && (fault == NEVER || fault == MANY) &&
	       !__atomic_load_n(ep->failed,
				__ATOMIC_ACQUIRE)) /* a thread cannot be ended by others */
		usleep(1000);
	for (int i = 0; i < 3 && r == 0; i++)
		r = ep_exchange(ep, &x);
	return r;
}

static void
fault(enum ep_kind kind, const char *name, int size, enum fault what, const char *text)
{
	struct ep_how how = {.kind = kind, .size = size, .timeout = what == NEVER ? 0.3 : 10};
	char why[EP_WHY] = "", line[400];
	int r = ep_run(&how, faulty, &what, why, sizeof why);
	int left = waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD;

	snprintf(line, sizeof line, "\"%s\"", text);
	end(r == EP_EFAIL && strstr(why, text) && !left, name, size, line);
	if (!strstr(why, text) || left)
		printf("# \"%s\"%s\n", why, left ? ", and a process is left" : "");
}

static void
host(enum ep_kind kind, const char *name)
{
	static const int sizes[] = {1, 2, 3, 4, 8};
	char why[EP_WHY];

	for (size_t i = 0; i < LEN(sizes); i++) {
		struct ep_how how = {.kind = kind, .size = sizes[i], .timeout = 10};
		double wrong = 0;
		int fd[2], r = ep_run(&how, exchanges, &wrong, why, sizeof why);

		end(r == 0 && wrong == 0, name, sizes[i], "what arrives is what was sent");
		if (r)
			printf("# %s\n", why);
		if (pipe2(fd, O_NONBLOCK))
			return;
		r = ep_run(&how, barriers, fd, why, sizeof why);
		end(r == 0, name, sizes[i], "a barrier holds");
		end(ep_run(&how, gathers, NULL, why, sizeof why) == 0, name, sizes[i], "a gather");
		close(fd[0]);
		close(fd[1]);
	}
	fault(kind, name, 3, FAILS, "rank 2: no more of it");
	fault(kind, name, 3, NEVER, "no answer from rank");
	fault(kind, name, 3, LENGTH, "rank 0: 9 bytes from rank 2, not 8");
	fault(kind, name, 3, STEP, "another exchange");
	fault(kind, name, 2, MANY, "rank 0: more than 256 exchanges started");
}

static int
mpi(void)
{
	struct ep_how how = {.kind = EP_MPI, .timeout = 10};
	char why[EP_WHY];
	double wrong = 0;
	int r = ep_run(&how, exchanges, &wrong, why, sizeof why);

	if (r < 0)
		printf("# %s\n", why);
	else if (wrong > 0)
		printf("# %g bytes are wrong\n", wrong);
	return r < 0 || wrong > 0;
}

int
main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1 && !strcmp(argv[1], "mpi"))
		return mpi();
	host(EP_LOOP, "loop");
	host(EP_SHM, "shm");
	fault(EP_SHM, "shm", 2, DIES, "rank 1: died of signal 9");
	fault(EP_SHM, "shm", 8, DIES, "rank 7: died of signal 9");
	fault(EP_SHM, "shm", 3, ENDS, "rank 2 ended before its work was done");
	printf("1..%d\n", tests);
	return bad != 0;
}
