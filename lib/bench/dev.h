/*
 * Where the router's parts run: the CPU by lib/route, a GPU by kernels/, behind the same
 * calls.  All return 0, or a negative number with dev_errstr() telling why.
 *
 * Arrays are the device's memory.  stream is what dev_plan's call was given, or NULL; on
 * the CPU all is done on return.
 */
#ifndef DEV_H
#define DEV_H

#include "../../kernels/route.h"
#include "naive.h"

struct dev {
	const char *backend; /* "cpu" or "cuda" */
	char name[160];      /* processor or card */
	int jobs, device;
	uint64_t cache; /* bytes of its last cache */
	void (*close)(void);

	void *(*alloc)(const struct dev *d, size_t n); /* 256-aligned; NULL: no memory */
	void (*free)(void *p);
	int (*put)(void *to, const void *from, size_t n); /* from the host's */
	int (*get)(void *to, const void *from, size_t n); /* to the host's */
	int (*copy)(const struct dev *d, void *to, const void *from, size_t n, void *stream);

	/* bytes of work that the calls below need, for any of them */
	size_t (*work)(const struct dev *d, const struct select *s, const struct index *x,
		       const struct sinkhorn *h, uint64_t rows);
	int (*product)(const struct dev *d, enum tr_type type, const void *x, const void *w,
		       void *y, uint64_t rows, uint64_t n, uint64_t dm, void *work, void *stream);
	int (*select)(const struct dev *d, const struct select *s, const void *logits,
		      uint64_t rows, uint16_t *ids, float *w, void *stream);
	int (*index)(const struct dev *d, struct index *x, const uint16_t *ids, uint64_t rows,
		     void *work, void *stream);
	int (*select_index)(const struct dev *d, const struct select *s, struct index *x,
			    const void *logits, uint64_t rows, uint16_t *ids, float *w, void *work,
			    void *stream);
	/* the same picks by select on the product of x and w, without logits in memory */
	int (*product_select)(const struct dev *d, const struct select *s, const void *x,
			      const void *w, uint64_t rows, uint64_t dm, uint16_t *ids,
			      float *weights, void *work, void *stream);
	/* gates [rows][experts]: the weight of each pick, 0 of what was not picked */
	int (*mask)(const struct dev *d, const struct select *s, const uint16_t *ids,
		    const float *w, uint64_t rows, float *gates, void *stream);
	int (*gather)(const struct dev *d, const struct index *x, enum tr_type type,
		      const void *from, uint64_t rows, uint64_t dm, const float *w, void *to,
		      void *stream);
	/* rows packed by expert without an index, to compare with (naive.h) */
	int (*naive)(const struct dev *d, enum naive how, struct index *x, enum tr_type type,
		     const void *from, const uint16_t *ids, const float *w, uint64_t rows,
		     uint64_t dm, void *to, void *stream);
	int (*combine)(const struct dev *d, const struct index *x, enum tr_type type,
		       const void *from, uint64_t dm, const float *w, uint64_t rows, void *to,
		       void *stream);
	int (*sinkhorn)(const struct dev *d, const struct sinkhorn *s, const void *logits,
			uint64_t rows, uint16_t *ids, float *w, struct sinkhorn_told *told,
			void *work, void *stream);
	/* f's weights are the device's; how as k_ffn has it, on the CPU 0 is FFN_GROUPED and 1
	 * FFN_LOOP; GPU_ABSENT for a library that is not there */
	size_t (*ffn_work)(const struct dev *d, const struct ffn *f, uint64_t packed);
	int (*ffn)(const struct dev *d, const struct ffn *f, int how, const uint32_t *offsets,
		   const uint32_t *host_offsets, uint64_t packed, const void *x, void *to,
		   void *work, void *stream);

	/* Timing: as gpu_plan, gpu_sample, gpu_plan_free (kernels/gpu.h).  On the CPU a sample
	 * is as many calls as last 100 us, at least one. */
	void *(*plan)(const struct dev *d, const struct gpu_run *r);
	int (*sample)(void *plan, double *us);
	void (*unplan)(void *plan);

	/* Measured now: bytes read and written a second by a copy of many times the cache, and
	 * operations a second of type by a product (on the CPU: by fused multiply-adds in
	 * registers), with jobs threads. */
	int (*peak_copy)(const struct dev *d, double *rate);
	int (*peak_flops)(const struct dev *d, enum tr_type type, double *rate);
};

/* *d for the CPU with that many threads, or for a GPU: 0, or GPU_ABSENT and why. */
int dev_cpu(struct dev *d, int jobs);
int dev_gpu(struct dev *d, int device);
void dev_close(struct dev *d);
const char *dev_errstr(void); /* of this thread, lent */

/* k samples a plan, by turns, so that what disturbs disturbs all: us[i][k], i < n. */
int dev_turns(const struct dev *d, void **plan, int n, int k, double **us);

#endif
