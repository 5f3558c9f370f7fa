/*
 * Messages between GPUs by NCCL, opened when it is first needed.  One rank a process, or
 * a thread with a device of its own.
 *
 * Functions return 0, or GPU_ABSENT where there is no NCCL, no such device or the build had
 * no nccl.h, or another gpu_err; nccl_errstr() tells why, in one line.  All that waits for
 * other ranks gives up after a while with GPU_EFAIL; the communicator is then of no use but
 * to nccl_close.
 */
#ifndef NCCL_LOADED_H
#define NCCL_LOADED_H

#include <stddef.h>

#include "gpu.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of this thread, lent until the next call that fails. */
const char *nccl_errstr(void);
/* How long communicators that this thread opens from here on wait for others: 10 seconds
 * unless told. */
void nccl_timeout(double seconds);

/*
 * Join size ranks on that device, which becomes this thread's.  Rank 0 writes an id to
 * idfile, which must not be there before, and removes it when all have joined; the others
 * wait for it.  *comm is the caller's, for nccl_close.
 */
int nccl_open(int rank, int size, const char *idfile, int device, void **comm);
/*
 * One message to and one from every rank, in device memory, enqueued: to rank p the
 * sendn[p] bytes at send + sendoff[p], from p the recvn[p] at recv + recvoff[p]; what one
 * sends another receives.  Arrays are [size], the caller's, free on return.
 */
int nccl_alltoallv(void *comm, const void *send, const size_t *sendoff, const size_t *sendn,
		   void *recv, const size_t *recvoff, const size_t *recvn, void *stream);
/* Until all that is enqueued on stream is done. */
int nccl_wait(void *comm, void *stream);
/* The same, and every rank has come here. */
int nccl_barrier(void *comm, void *stream);
/* comm may be NULL. */
void nccl_close(void *comm);

#ifdef __cplusplus
}
#endif

#endif
