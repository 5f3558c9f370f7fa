/*
 * lib/core by itself, TAP on stdout: crc32c, Philox, lists, the pool's order,
 * and what every reader owes: each prefix and each flipped bit of example 2
 * of moetrace(5) is refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crc32c.h"
#include "moetrace.h"
#include "pool.h"
#include "rng.h"
#include "size.h"

static int count, bad;

static void
ok(int good, const char *what)
{
	bad += !good;
	printf("%sok %d - %s\n", good ? "" : "not ", ++count, what);
}

static void
crc(void)
{
	enum { N = 20000 };
	unsigned char *p = malloc(N);
	int same = 1;

	for (int i = 0; i < N; i++)
		p[i] = (unsigned char)(i * 2654435761u >> 24);
	for (size_t n = 0; n < N; n += 41)
		same &= crc32c((uint32_t)n, p + n % 7, n - n % 7) ==
			crc32c_table((uint32_t)n, p + n % 7, n - n % 7);
	ok(crc32c(0, "123456789", 9) == 0xe3069283, "crc32c check value");
	ok(same, "crc32c: instruction and table agree over 488 lengths");
	ok(crc32c(crc32c(0, "1234", 4), "56789", 5) == 0xe3069283, "crc32c continues");
	free(p);
}

/* Known-answer vectors of Random123 (kat_vectors, philox4x32 10). */
static void
philox(void)
{
	static const struct {
		uint32_t ctr[4], key[2], out[4];
	} kat[] = {
		{{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{{~0u, ~0u, ~0u, ~0u},
		 {~0u, ~0u},
		 {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
		 {0xa4093822, 0x299f31d0},
		 {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	};

	for (size_t i = 0; i < LEN(kat); i++) {
		uint32_t out[4];

		rng_philox(kat[i].ctr, kat[i].key, out);
		ok(!memcmp(out, kat[i].out, sizeof out), "Philox known answer");
	}
}

static void
list(const char *in, const char *want)
{
	struct tr_list l = {0};
	char buf[256] = "refused";

	if (tr_list_parse(&l, in) == 0)
		tr_list_text(&l, buf, sizeof buf);
	if (strcmp(buf, want))
		printf("# %s gives %s\n", in, buf);
	ok(!strcmp(buf, want), "list");
	tr_list_free(&l);
}

struct job {
	int next, done, sum, bad;
	int item[64];
};

static void *
next(void *arg)
{
	struct job *j = arg;

	return j->next < 1000 ? (j->item[j->next % 64] = j->next, &j->item[j->next++ % 64]) : NULL;
}

static void
work(void *arg, void *item)
{
	volatile int spin = *(int *)item * 7919 % 400;

	while (spin > 0)
		spin--;
	*(int *)item *= 2;
}

static int
done(void *arg, void *item)
{
	struct job *j = arg;

	j->bad += *(int *)item != 2 * j->done++;
	return j->done == j->sum ? -7 : 0;
}

static void
pool(void)
{
	static const struct pool_ops ops = {next, work, done, NULL};

	for (int jobs = 1; jobs < 10; jobs++) {
		struct job all = {0}, some = {.sum = 500};
		int r = pool_run(jobs, &ops, &all), s = pool_run(jobs, &ops, &some);

		ok(r == 0 && all.done == 1000 && !all.bad && s == -7 && some.done == 500 &&
			   !some.bad,
		   "pool keeps the order and stops");
	}
}

/* Read n bytes as a stream, columns and all: 0 or the error. */
static int
read_all(const void *p, size_t n)
{
	int fd[2], r = -1;
	struct tr_frame f;
	struct tr_ids ids;
	struct tr *t;

	if (pipe(fd) < 0 || write(fd[1], p, n) != (ssize_t)n)
		return -1;
	close(fd[1]);
	if ((t = tr_open(fd[0], NULL)))
		while ((r = tr_next(t, &f)) > 0)
			if ((r = tr_decode(&f)) < 0 || (r = tr_ids(&f, &ids)) < 0)
				break;
	tr_free(t);
	close(fd[0]);
	return r;
}

/* Example 2 by the writer: 512 bytes without the program's name in it. */
static size_t
example(unsigned char *to, size_t size, int zstd)
{
	static const uint8_t ids[] = {2, 0, 2, 3, 1, 0xff};
	static const uint16_t w[] = {0x3a00, 0x3400, 0x3900, 0x3600, 0x3c00, 0};
	char *argv[] = {"npz2trace", "-k", "2", "toy.npz"};
	FILE *tmp = tmpfile();
	struct tr_out *o = tr_create(fileno(tmp), 0, zstd);
	struct tr_frame f;
	size_t n;

	tr_prog(o, LEN(argv), argv);
	tr_new(&f, "trace");
	tr_setu(&f, "v", 1);
	tr_set(&f, "model", "toy");
	tr_setu(&f, "layers", 1);
	tr_setu(&f, "experts", 4);
	tr_setu(&f, "topk", 2);
	tr_set(&f, "order", "batch,layer");
	tr_put(o, &f);
	tr_new(&f, "route");
	tr_setu(&f, "batch", 0);
	tr_setu(&f, "layer", 0);
	tr_rows(&f, 3);
	tr_addcol(&f, "ids", TR_U8, 2, ids);
	tr_addcol(&f, "w", TR_F16, 2, w);
	tr_put(o, &f);
	tr_end(o);
	tr_out_free(o);
	n = (size_t)lseek(fileno(tmp), 0, SEEK_CUR);
	n = (size_t)pread(fileno(tmp), to, size, 0);
	fclose(tmp);
	return n;
}

static void
stream(void)
{
	unsigned char a[2048], b[2048];

	for (int zstd = 0; zstd < 2; zstd++) {
		size_t n = example(a, sizeof a, zstd), prefix = 0, flips = 0;

		ok(read_all(a, n) == 0, zstd ? "compressed example reads" : "example 2 reads");
		if (!zstd) {
			ok(n == 512, "example 2 has 512 bytes");
			ok(!memcmp(a + 0xc0,
				   "@route batch=0 layer=0 rows=3 cols=ids:u8:2,w:f16:2 "
				   "bytes=127 crc=9c48f712",
				   74),
			   "its route header is that of the page, checksum too");
		}
		for (size_t i = 0; i < n; i++)
			prefix += read_all(a, i) < 0;
		ok(prefix == n, "every prefix is refused");
		for (size_t i = 0; i < 8 * n; i++) {
			memcpy(b, a, n);
			b[i / 8] ^= (unsigned char)(1 << i % 8);
			if (read_all(b, n) < 0)
				flips++;
			else
				printf("# flip of bit %zu of byte %zu passes\n", i % 8, i / 8);
		}
		ok(flips == 8 * n, "every flipped bit is refused");
		memcpy(b, a, n);
		memcpy(b + n, a, n);
		ok(read_all(b, 2 * n) == 0, "two sections in a row are a stream");
	}
}

static void
decoded(void)
{
	static const char *const refused[] = {
		"@trace v=1 layers=1 experts=4 topk=2\n",
		"@trace v=1 layers=1 experts=4 topk=2\n@end frames=1\n",
		"@trace v=2 layers=1 experts=4 topk=2\n@end frames=0\n",
		"@trace layers=1 v=1 experts=4 topk=2\n@end frames=0\n",
		"@trace v=1 layers=1 experts=4 topk=5\n@end frames=0\n",
		"@trace v=1 layers=1 experts=4 topk=2 topk=2\n@end frames=0\n",
		"@trace v=1 layers=01 experts=4 topk=2\n@end frames=0\n",
		"@trace v=1 layers=1 experts=4 topk=2 x=%zz\n@end frames=0\n",
		"@trace v=1 layers=1 experts=4 topk=2 map=0-3\n@end frames=0\n",
		"@trace v=1 layers=1 experts=4 topk=2\n@route layer=1 rows=1 cols=ids:u8:2 "
		"bytes=2\n"
		"\1\2\n@end frames=1\n",
		"@trace v=1 layers=1 experts=4 topk=2\n@route layer=0 rows=1 cols=ids:u8:2 "
		"bytes=2\n"
		"\1\4\n@end frames=1\n",
		"@trace v=1 layers=1 experts=256 topk=2\n@route layer=0 rows=1 cols=ids:u8:2 "
		"bytes=2\n"
		"\1\4\n@end frames=1\n",
		"@trace v=1 layers=1 experts=4 topk=2\n@route layer=0 rows=9 cols=ids:u8:2 "
		"bytes=2\n"
		"\1\4\n@end frames=1\n",
		"@trace v=1 layers=1 experts=4 topk=2\n@x bytes=0\n\n@end frames=1\n",
		"@trace v=1 layers=1 experts=4 topk=2\n@end frames=0\nx",
		"@trace v=1 layers=1 experts=4 topk=2\r\n@end frames=0\r\n",
		"\xef\xbb\xbf@trace v=1 layers=1 experts=4 topk=2\n@end frames=0\n",
		"@trace v=1 layers=1 experts=4 topk=2\n@table name=a rows=99999999999 "
		"cols=a:f64:65536 "
		"bytes=1\n \n@end frames=1\n",
	};
	static const char fine[] =
		"@trace v=1 layers=0 experts=0 topk=0\n"
		"@acme x.y=1 rows=0 cols=a:e4m3f8:3\n"
		"@acme rows=2 cols=a:e4m3f8:3 bytes=6\nabcdef\n@end frames=2   \n";
	size_t n = 0;

	for (size_t i = 0; i < LEN(refused); i++)
		if (read_all(refused[i], strlen(refused[i])) < 0)
			n++;
		else
			printf("# passes: %s\n", refused[i]);
	ok(n == LEN(refused), "headers that lie are refused");
	ok(read_all(fine, sizeof fine - 1) == 0, "unknown kinds, keys and dtypes pass");
}

int
main(void)
{
	crc();
	philox();
	list("0-3,7", "0-3,7");
	list("7,3,0-2", "0-3,7");
	list("5-9,0,1-4", "0-9");
	list("3-1", "refused");
	list("", "refused");
	list("1,", "refused");
	list("-1", "refused");
	pool();
	stream();
	decoded();
	printf("1..%d\n", count);
	return bad != 0;
}
