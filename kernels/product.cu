/*
 * Products by cuBLASLt, and an expert's after another's in one call by cuBLAS; both are
 * opened at the first product.  Rows of ours are columns of theirs: y^T = w x^T, w being
 * transposed.  A shape's algorithm is asked for once.
 */
#include <cublasLt.h>
#include <cublas_v2.h>
#include <cuda_runtime.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

extern "C" {
#include "library.h"
#include "product.h"

int gpu_fail(int code, int error, const char *what, ...) __attribute__((format(printf, 3, 4)));
}

enum {
	WORK = 32 << 20
}; /* what the library's documentation asks for on Hopper; logits that
			    * k_product_select makes have as much */

/* X(field, symbol): what is called of each */
#define LT(X)                                               \
	X(create, cublasLtCreate)                           \
	X(desc, cublasLtMatmulDescCreate)                   \
	X(desc_set, cublasLtMatmulDescSetAttribute)         \
	X(undesc, cublasLtMatmulDescDestroy)                \
	X(layout, cublasLtMatrixLayoutCreate)               \
	X(unlayout, cublasLtMatrixLayoutDestroy)            \
	X(prefer, cublasLtMatmulPreferenceCreate)           \
	X(prefer_set, cublasLtMatmulPreferenceSetAttribute) \
	X(unprefer, cublasLtMatmulPreferenceDestroy)        \
	X(choose, cublasLtMatmulAlgoGetHeuristic)           \
	X(matmul, cublasLtMatmul)                           \
	X(text, cublasLtGetStatusString)
#define BLAS(X)                                \
	X(create, cublasCreate_v2)             \
	X(stream, cublasSetStream_v2)          \
	X(work, cublasSetWorkspace_v2)         \
	X(grouped, cublasGemmGroupedBatchedEx) \
	X(text, cublasGetStatusString)
#define FIELD(field, symbol) decltype(&symbol) field;
#define NAME(field, symbol) #symbol,

struct lt {
	LT(FIELD) cublasLtHandle_t handle;
};
struct blas {
	BLAS(FIELD) cublasHandle_t handle;
};

/* One shape on one device, and how it is done. */
struct shape {
	int device;
	enum tr_type type, out;
	uint64_t rows, n, d;
	uint32_t aligned;
	cublasLtMatmulDesc_t desc;
	cublasLtMatrixLayout_t w, x, y;
	cublasLtMatmulAlgo_t algo;
	struct shape *next;
};

enum { DEVICES = 64, SHAPES = 256 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct lt lt[DEVICES];
static struct blas blas[DEVICES];
static struct shape *shapes[DEVICES];

/* Each symbol into to, in order. */
static int
library_load(const char *const *sonames, const char *const *symbols, size_t n, void **to)
{
	char why[512];
	void *so = library_open(sonames, why, sizeof why);

	if (!so)
		return gpu_fail(GPU_ABSENT, 0, "%s", why);
	for (size_t i = 0; i < n; i++)
		if (!(to[i] = dlsym(so, symbols[i])))
			return gpu_fail(GPU_ABSENT, 0, "%s has no %s", sonames[0], symbols[i]);
	return 0;
}

static int
lt_open(int device)
{
	static const char *const sonames[] = {"libcublasLt.so.13", "libcublasLt.so.12", NULL};
	static const char *const symbols[] = {LT(NAME)};
	constexpr size_t n = sizeof symbols / sizeof *symbols;
	struct lt *l = &lt[device];
	int r;

	static_assert(sizeof *l == (n + 1) * sizeof(void *), "pointers and a handle");
	if (l->handle)
		return 0;
	if ((r = library_load(sonames, symbols, n, (void **)l)))
		return r;
	if (cublasStatus_t e = l->create(&l->handle))
		return gpu_fail(GPU_ABSENT, 0, "cublasLt: %s", l->text(e));
	return 0;
}

static int
blas_open(int device)
{
	static const char *const sonames[] = {"libcublas.so.13", "libcublas.so.12", NULL};
	static const char *const symbols[] = {BLAS(NAME)};
	constexpr size_t n = sizeof symbols / sizeof *symbols;
	struct blas *b = &blas[device];
	int r;

	static_assert(sizeof *b == (n + 1) * sizeof(void *), "pointers and a handle");
	if (b->handle)
		return 0;
	if ((r = library_load(sonames, symbols, n, (void **)b)))
		return r;
	if (cublasStatus_t e = b->create(&b->handle))
		return gpu_fail(GPU_ABSENT, 0, "cublas: %s", b->text(e));
	return 0;
}

static int
device_now(int *device)
{
	cudaError_t e = cudaGetDevice(device);

	if (e)
		return gpu_fail(GPU_ABSENT, e, "product");
	return *device < DEVICES ? 0 : gpu_fail(GPU_EUSE, 0, "product: device %d", *device);
}

static cudaDataType
data_type(enum tr_type type)
{
	return type == TR_F32 ? CUDA_R_32F : type == TR_F16 ? CUDA_R_16F : CUDA_R_16BF;
}

/* The bytes that a, b and c are all multiples of, at most 256. */
static uint32_t
alignment(const void *a, const void *b, const void *c)
{
	uintptr_t all = (uintptr_t)a | (uintptr_t)b | (uintptr_t)c | 256;

	return (uint32_t)(all & -all);
}

/* Fill s, but for next: descriptors live as long as the shape. */
static cublasStatus_t
shape_make(const struct lt *l, struct shape *s)
{
	static const cublasLtMatmulPreferenceAttributes_t aligns[] = {
		CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
		CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
		CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
		CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
	const cublasOperation_t turned = CUBLAS_OP_T;
	const uint64_t work = WORK;
	cublasLtMatmulPreference_t prefer = NULL;
	cublasLtMatmulHeuristicResult_t best = {};
	cublasStatus_t e;
	int found = 0;

	if ((e = l->desc(&s->desc, CUBLAS_COMPUTE_32F, CUDA_R_32F)) ||
	    (e = l->desc_set(s->desc, CUBLASLT_MATMUL_DESC_TRANSA, &turned, sizeof turned)) ||
	    (e = l->layout(&s->w, data_type(s->type), s->d, s->n, (int64_t)s->d)) ||
	    (e = l->layout(&s->x, data_type(s->type), s->d, s->rows, (int64_t)s->d)) ||
	    (e = l->layout(&s->y, data_type(s->out), s->n, s->rows, (int64_t)s->n)) ||
	    (e = l->prefer(&prefer)))
		return e;
	e = l->prefer_set(prefer, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &work, sizeof work);
	for (cublasLtMatmulPreferenceAttributes_t a : aligns)
		if (!e)
			e = l->prefer_set(prefer, a, &s->aligned, sizeof s->aligned);
	if (!e)
		e = l->choose(l->handle, s->desc, s->w, s->x, s->y, s->y, prefer, 1, &best, &found);
	l->unprefer(prefer);
	s->algo = best.algo;
	return e ? e : !found ? CUBLAS_STATUS_NOT_SUPPORTED : best.state;
}

static void
shape_free(const struct lt *l, struct shape *s)
{
	if (s->desc)
		l->undesc(s->desc);
	for (cublasLtMatrixLayout_t m : {s->w, s->x, s->y})
		if (m)
			l->unlayout(m);
	free(s);
}

/* The shape as it was made, or made now; the last used are kept.  The lock is held. */
static int
shape_find(const struct lt *l, const struct shape *want, struct shape **found)
{
	struct shape **at = &shapes[want->device], *s;
	cublasStatus_t e;

	for (int kept = 0; *at; at = &s->next) {
		s = *at;
		if (s->type == want->type && s->out == want->out && s->rows == want->rows &&
		    s->n == want->n && s->d == want->d && s->aligned == want->aligned) {
			*at = s->next;
			s->next = shapes[want->device];
			shapes[want->device] = *found = s;
			return 0;
		}
		if (++kept == SHAPES) {
			*at = s->next;
			shape_free(l, s);
			break;
		}
	}
	if (!(s = (struct shape *)malloc(sizeof *s)))
		return gpu_fail(GPU_ENOMEM, 0, "product: no memory");
	*s = *want;
	if ((e = shape_make(l, s))) {
		shape_free(l, s);
		return gpu_fail(GPU_EFAIL, 0, "cublasLt: %s", l->text(e));
	}
	s->next = shapes[want->device];
	shapes[want->device] = *found = s;
	return 0;
}

extern "C" size_t
k_product_work(void)
{
	return 2 * WORK;
}

static int
multiply(enum tr_type type, const void *x, const void *w, enum tr_type out, void *y, uint64_t rows,
	 uint64_t n, uint64_t d, void *work, void *stream)
{
	const float one = 1, zero = 0;
	struct shape want = {}, *s = NULL;
	int device, r;

	if (type != TR_F32 && type != TR_F16 && type != TR_BF16)
		return gpu_fail(GPU_EUSE, 0, "product: types are f32, f16 and bf16");
	if (!rows || !n)
		return 0;
	if (!d)
		return gpu_fail(GPU_EUSE, 0, "product: rows of no length");
	if ((r = device_now(&device)))
		return r;
	want.device = device;
	want.type = type;
	want.out = out;
	want.rows = rows;
	want.n = n;
	want.d = d;
	want.aligned = alignment(x, w, y);
	pthread_mutex_lock(&lock);
	if (!(r = lt_open(device)) && !(r = shape_find(&lt[device], &want, &s))) {
		cublasStatus_t e = lt[device].matmul(lt[device].handle, s->desc, &one, w, s->w, x,
						     s->x, &zero, y, s->y, y, s->y, &s->algo, work,
						     WORK, (cudaStream_t)stream);

		if (e)
			r = gpu_fail(GPU_EFAIL, 0, "cublasLt: %s", lt[device].text(e));
	}
	pthread_mutex_unlock(&lock);
	return r;
}

extern "C" int
k_product(enum tr_type type, const void *x, const void *w, void *y, uint64_t rows, uint64_t n,
	  uint64_t d, void *work, void *stream)
{
	return multiply(type, x, w, type, y, rows, n, d, work, stream);
}

extern "C" int
k_product_f32(enum tr_type type, const void *x, const void *w, float *y, uint64_t rows, uint64_t n,
	      uint64_t d, void *work, void *stream)
{
	return multiply(type, x, w, TR_F32, y, rows, n, d, work, stream);
}

/* Where the rows of each expert that has any begin: in w, x and y, [3][groups]. */
struct grouped_pointers {
	const uint32_t *offsets;
	const char *w, *x;
	char *y, **to;
	uint64_t n, d, size;
	uint32_t experts, groups;
};

static __global__ void
grouped_pointers_kernel(struct grouped_pointers g)
{
	for (uint32_t e = threadIdx.x, at = 0; e < g.experts; e += blockDim.x, at = 0) {
		if (g.offsets[e] == g.offsets[e + 1])
			continue;
		for (uint32_t i = 0; i < e; i++)
			at += g.offsets[i] != g.offsets[i + 1];
		g.to[at] = (char *)g.w + e * g.n * g.d * g.size;
		g.to[g.groups + at] = (char *)g.x + g.offsets[e] * g.d * g.size;
		g.to[2 * g.groups + at] = g.y + g.offsets[e] * g.n * g.size;
	}
}

extern "C" int
k_products(enum tr_type type, uint32_t experts, const uint32_t *offsets,
	   const uint32_t *host_offsets, const void *x, const void *w, void *y, uint64_t n,
	   uint64_t d, void *work, void *stream)
{
	enum { EXPERTS = 1024 };
	const cudaDataType t = data_type(type);
	const size_t pointers = 3 * EXPERTS * sizeof(void *);
	cublasOperation_t turned[EXPERTS], plain[EXPERTS];
	int m[EXPERTS], rows[EXPERTS], k[EXPERTS], ones[EXPERTS];
	float one[EXPERTS], zero[EXPERTS];
	struct grouped_pointers g = {
		offsets, (const char *)w, (const char *)x, (char *)y, (char **)work, n,
		d,       tr_size(type),   experts,         0};
	cublasStatus_t e;
	int device, r;

	if (experts > EXPERTS || n > INT32_MAX || d > INT32_MAX)
		return gpu_fail(GPU_EUSE, 0, "grouped product: too many experts or columns");
	for (uint32_t i = 0; i < experts; i++) {
		uint32_t has = host_offsets[i + 1] - host_offsets[i];

		if (has > INT32_MAX)
			return gpu_fail(GPU_EUSE, 0, "grouped product: too many rows");
		if (!has)
			continue;
		turned[g.groups] = CUBLAS_OP_T;
		plain[g.groups] = CUBLAS_OP_N;
		m[g.groups] = (int)n;
		rows[g.groups] = (int)has;
		k[g.groups] = (int)d;
		ones[g.groups] = 1;
		one[g.groups] = 1;
		zero[g.groups++] = 0;
	}
	if (!g.groups)
		return 0;
	if ((r = device_now(&device)))
		return r;
	pthread_mutex_lock(&lock);
	r = blas_open(device);
	pthread_mutex_unlock(&lock);
	if (r)
		return r;
	grouped_pointers_kernel<<<1, 256, 0, (cudaStream_t)stream>>>(g);
	if (cudaError_t launch = cudaGetLastError())
		return gpu_fail(GPU_EFAIL, launch, "grouped product");

	struct blas *b = &blas[device];

	if ((e = b->stream(b->handle, (cudaStream_t)stream)) ||
	    (e = b->work(b->handle, (char *)work + pointers, WORK - pointers)) ||
	    (e = b->grouped(b->handle, turned, plain, m, rows, k, one, (const void *const *)g.to, t,
			    k, (const void *const *)(g.to + g.groups), t, k, zero,
			    (void *const *)(g.to + 2 * g.groups), t, m, (int)g.groups, ones,
			    CUBLAS_COMPUTE_32F)))
		return gpu_fail(GPU_EFAIL, 0, "cublas: %s", b->text(e));
	return 0;
}
