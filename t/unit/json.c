/* lib/format/json and base64, judged by hand-made texts.  Prints TAP. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/format/base64.h"
#include "../../lib/format/json.h"
#include "size.h"

static int ntests, nfailed;

static void
ok(int pass, const char *what)
{
	ntests++;
	nfailed += !pass;
	printf("%sok %d - %s\n", pass ? "" : "not ", ntests, what);
}

static const char *const good[] = {
	"1",
	" null ",
	"\"a\"",
	"-0",
	"1E+2",
	"0.5e-7",
	"[]",
	"{}",
	"[[]]",
	"{\"\":0}",
	"[true,false,null]",
	" [ 1 , 2 ] ",
	"{\"a\":{\"b\":[1,{\"c\":\"\"}]},\"d\":-1.5}",
	"[\"\\u0000\\ud834\\udd1e\\/\\\\\"]",
	"[\"\xc3\xa9\xf0\x9f\x98\x80\x7f\"]",
	"{\"a\":1,\"b\":{\"a\":1}}",
	"[1,[2,3],4]",
	"123456789012345678901234567890",
};

static const char *const bad[] = {
	"",
	" ",
	"{\"a\":1,}",
	"[thanx]",
	"{\"a\" \"b\"}",
	"{\"a\":::1}",
	"[1 2]",
	"[1.2.3e,--5]",
	"{}{}",
	"{\"a\":1,\"a\":2}",
	"{\"a\":1,\"\\u0061\":2}",
	"[\"\t\"]",
	"[1,]",
	"[,1]",
	"[1,,2]",
	"[01]",
	"[-]",
	"[1.]",
	"[.5]",
	"[1e]",
	"[+1]",
	"[0x1]",
	"[NaN]",
	"[Infinity]",
	"[tru]",
	"[True]",
	"{1:2}",
	"{a:1}",
	"{'a':1}",
	"{\"a\"}",
	"{\"a\":}",
	"{,}",
	"[",
	"]",
	"{",
	"[1",
	"[1}",
	"{\"a\":1]",
	"[\"a]",
	"[\"\\x\"]",
	"[\"\\u12g4\"]",
	"[\"\\ud834\"]",
	"[\"\\udd1e\"]",
	"[\"\xff\"]",
	"[\"\xc0\xaf\"]",
	"[\"\xed\xa0\x80\"]",
	"[\"\xf4\x90\x80\x80\"]",
	"[\"\xc3",
	"[1]x",
	"// c\n1",
	"[1\f]",
	"\xef\xbb\xbf[1]",
	"1 2",
};

static const struct {
	const char *text, *err;
} places[] = {
	{"{\"a\": 1,\n \"b\": x}", "2:7: a value expected"},
	{"[1 2]", "1:4: ',' or ']' expected"},
	{"{\"aa\": 1, \"aa\": 2}", "1:11: \"aa\" appears twice"},
	{"\n\n[\"\x01\"]", "3:3: a control character in a string"},
};

static void
grammar(void)
{
	struct json j = {0};
	char what[80];
	size_t i;

	for (i = 0; i < LEN(good); i++) {
		snprintf(what, sizeof what, "good text %zu is taken", i);
		ok(!json_parse(&j, good[i], strlen(good[i])), what);
	}
	for (i = 0; i < LEN(bad); i++) {
		snprintf(what, sizeof what, "bad text %zu is refused", i);
		ok(json_parse(&j, bad[i], strlen(bad[i])) && *j.err, what);
	}
	for (i = 0; i < LEN(places); i++) {
		json_parse(&j, places[i].text, strlen(places[i].text));
		ok(!strcmp(j.err, places[i].err), places[i].err);
	}
	json_free(&j);
}

static void
deep(void)
{
	struct json j = {0};
	char text[2 * JSON_DEPTH + 4];

	memset(text, '[', JSON_DEPTH);
	memset(text + JSON_DEPTH, ']', JSON_DEPTH);
	ok(!json_parse(&j, text, 2 * JSON_DEPTH), "the deepest text is taken");
	memset(text, '[', JSON_DEPTH + 1);
	memset(text + JSON_DEPTH + 1, ']', JSON_DEPTH + 1);
	ok(json_parse(&j, text, 2 * JSON_DEPTH + 2), "one level more is refused");
	json_free(&j);
}

static void
access_to(void)
{
	static const char text[] =
		"{\"n\": 18446744073709551615, \"i\": -5, \"x\": 2.5e-1, "
		"\"s\": \"\\u00e9\\n\\ud83d\\ude00\\udcff\", \"a\": [1, [2], {}], "
		"\"\\u006bey\": null}";
	struct json j = {0};
	char buf[16];
	uint64_t n = 0;
	int64_t i = 0;
	double x = 0;
	int a, v, k = 0;

	ok(!json_parse(&j, text, sizeof text - 1), "a document");
	ok(!json_u64(&j, json_find(&j, 0, "n"), &n) && n == UINT64_MAX, "u64");
	ok(json_i64(&j, json_find(&j, 0, "n"), &i), "too large for i64");
	ok(!json_i64(&j, json_find(&j, 0, "i"), &i) && i == -5, "i64");
	ok(json_u64(&j, json_find(&j, 0, "i"), &n), "negative is no u64");
	ok(!json_f64(&j, json_find(&j, 0, "x"), &x) && x == 0.25, "f64");
	v = json_find(&j, 0, "s");
	ok(json_str(&j, v, buf, sizeof buf) == 8 &&
		   !memcmp(buf, "\xc3\xa9\n\xf0\x9f\x98\x80\xff", 9),
	   "string unescaped");
	ok(json_str(&j, v, buf, 8) == -1, "no room for its NUL");
	ok(json_type(&j, json_find(&j, 0, "key")) == JSON_NULL, "an escaped key is found");
	ok(json_find(&j, 0, "ke") < 0 && json_find(&j, v, "n") < 0, "no such key");
	a = json_find(&j, 0, "a");
	for (v = json_first(&j, a); v >= 0; v = json_next(&j, a, v))
		k = k * 10 + (int)json_type(&j, v);
	ok(json_size(&j, a) == 3 && k == JSON_NUM * 100 + JSON_ARR * 10 + JSON_OBJ, "elements");
	for (k = 0, v = json_first(&j, 0); v >= 0; v = json_next(&j, 0, v))
		k++;
	ok(k == 6, "members");
	json_free(&j);
}

static void
comments(void)
{
	char text[] = "{ // one\n\"a\": [1, 2 /* , */ ],\n\"b\": \"/*//\" }";
	char bad1[] = "[,]", bad2[] = "[1,,]", bad3[] = "[1] /* ", bad4[] = "{\"a\":,}";
	char bad6[] = "[1, // last\n]";
	char bad5[] = "{} /* */ // x\n\n @";
	struct json j = {0};

	ok(!json_parse_c(&j, text, sizeof text - 1) && json_is(&j, json_find(&j, 0, "b"), "/*//"),
	   "JSONC: comments");
	ok(json_parse_c(&j, bad1, sizeof bad1 - 1) && json_parse_c(&j, bad2, sizeof bad2 - 1) &&
		   json_parse_c(&j, bad6, sizeof bad6 - 1) &&
		   json_parse_c(&j, bad3, sizeof bad3 - 1) &&
		   json_parse_c(&j, bad4, sizeof bad4 - 1),
	   "JSONC: lone commas, an open comment");
	ok(json_parse_c(&j, bad5, sizeof bad5 - 1) && !strncmp(j.err, "3:2:", 4),
	   "JSONC: places are those of the file");
	json_free(&j);
}

static const char *
take(void *arg, const char *key, size_t nkey, const char *p, const char *end)
{
	return nkey == 1 && *key == 'a' ? json_ints2(arg, p, end) : NULL;
}

static void
taking(void)
{
	static const char text[] = "{\"x\": 1, \"a\": [[1, -22], [],\n [333333333 , 4]], \"b\": 2}";
	static const char wrong[] = "{\"x\": 1, \"a\": [[1, 2],\n [3]], \"b\": ?}";
	struct json_ints a = {0};
	struct json j = {0};
	uint64_t n = 0;

	ok(!json_parse_take(&j, text, sizeof text - 1, take, &a) && a.n == 4 && a.rows == 3 &&
		   a.v[1] == -22 && a.v[2] == 333333333 && a.len[1] == 0 && a.least == 0 &&
		   a.most == 2 && a.min == -22 && a.max == 333333333,
	   "an array taken out");
	ok(json_type(&j, json_find(&j, 0, "a")) == JSON_NULL &&
		   !json_u64(&j, json_find(&j, 0, "b"), &n) && n == 2,
	   "the rest is there");
	ok(json_parse_take(&j, wrong, sizeof wrong - 1, take, &a) && !strncmp(j.err, "2:13:", 5),
	   "an error behind it has its own place");
	json_ints_free(&a);
	json_free(&j);
}

static void
ints(void)
{
	static const char *const wrong[] = {"[1,]",
					    "[1, ]",
					    "[01, 2]         ",
					    "[1 2]",
					    "[1.5]",
					    "[1e3]",
					    "[-]",
					    "[9999999999]",
					    "[1, 2",
					    "[\"1\", 2]    ",
					    "[, 1]",
					    "[1,, 2]       ",
					    "[- 1]"};
	struct json_ints a = {0};
	char text[64], what[64];
	const char *end;
	size_t i, bad_ones = 0;
	long k, n = 1;

	for (i = 0; i < LEN(wrong); i++) {
		snprintf(what, sizeof what, "no array of integers: %.20s", wrong[i]);
		ok(!json_ints(&a, wrong[i], wrong[i] + strlen(wrong[i])), what);
	}
	for (k = 0; k < 1000; k++, n = (n * 7 + k) % 999999999) {
		snprintf(text, sizeof text, "[%ld, %ld,%ld]   rest", n, -n, n % 1000);
		end = json_ints(&a, text, text + strlen(text));
		bad_ones += !end || strcmp(end, "   rest") || a.n != 3 || a.v[0] != n ||
			    a.v[1] != -n || a.v[2] != n % 1000;
	}
	ok(!bad_ones, "1000 arrays of integers of all lengths");
	json_ints_free(&a);
}

static struct json_split *
feed(const char *text, const char *array, uint64_t max, int *fd)
{
	int p[2];

	if (pipe(p) || write(p[1], text, strlen(text)) < 0)
		exit(2);
	close(p[1]);
	*fd = p[0];
	return json_split_open(p[0], array, max);
}

/* Records joined by '|', '!' for an error. */
static const char *
records(const char *text, const char *array, uint64_t max)
{
	static char all[256];
	uint64_t line;
	size_t n;
	char *p;
	int fd, rc;
	struct json_split *s = feed(text, array, max, &fd);

	all[0] = '\0';
	while ((rc = json_split_next(s, &p, &n, &line)) > 0)
		snprintf(all + strlen(all), sizeof all - strlen(all), "%llu:%.*s|",
			 (unsigned long long)line, (int)n, p);
	if (!rc && array) {
		const char *rest = json_split_rest(s, &n);

		snprintf(all + strlen(all), sizeof all - strlen(all), "%.*s", (int)n, rest);
	}
	if (rc < 0)
		strcat(all, "!");
	json_split_free(s);
	close(fd);
	return all;
}

static void
splitting(void)
{
	ok(!strcmp(records("a\n\n  \r\nb \nc", NULL, 100), "1:a|4:b|5:c|"),
	   "lines, blank ones not");
	ok(!strcmp(records("abcdef\n", NULL, 3), "!"), "a line above the limit");
	ok(!strcmp(records("{\"x\": [1],\n\"s\": [ {\"]\": \"[\\\"\"},\n[2] , 3 ],\"y\":4}", "s",
			   100),
		   "2:{\"]\": \"[\\\"\"}|3:[2]|3:3|{\"x\": [1],\n\"s\": [],\"y\":4}"),
	   "elements of one array, and what is beside it");
	ok(!strcmp(records("{\"s\": []}", "s", 100), "{\"s\": []}"), "an empty array");
	ok(!strcmp(records("{\"s\": [1,]}", "s", 100), "1:1|!"), "a comma too many");
	ok(!strcmp(records("{\"s\": [1", "s", 100), "1:1|!"), "cut inside");
	ok(!strcmp(records("{\"t\": [1]}", "s", 100), "!"), "no such array");
}

static void
writing(void)
{
	struct json_out o = {.style = JSON_PYTHON};
	char b64[16], back[16];
	size_t n;
	int same = 1;

	json_put_open(&o, '{');
	json_put_key(&o, "a\"");
	json_put_open(&o, '[');
	json_put_u64(&o, 1);
	json_put_i64(&o, -2);
	json_put_f64(&o, 0.1);
	json_put_word(&o, "null");
	json_put_close(&o);
	json_put_key(&o, "s");
	json_put_str(&o, "\xc3\xa9\xf0\x9f\x98\x80\xff\x01", 8);
	json_put_close(&o);
	json_put_bytes(&o, "", 1);
	ok(!o.bad && !strcmp(o.p, "{\"a\\\"\": [1, -2, 0.1, null], \"s\": "
				  "\"\\u00e9\\ud83d\\ude00\\udcff\\u0001\"}"),
	   "the emitter, as Python has it");
	o.n = 0;
	o.some = 0;
	o.style = JSON_PRETTY;
	json_put_open(&o, '{');
	json_put_key(&o, "a");
	json_put_open(&o, '[');
	json_put_close(&o);
	json_put_key(&o, "b");
	json_put_u64(&o, 0);
	json_put_close(&o);
	json_put_bytes(&o, "", 1);
	ok(!strcmp(o.p, "{\n  \"a\": [],\n  \"b\": 0\n}"), "the emitter, for eyes");
	json_out_free(&o);

	for (n = 0; n < 10; n++) {
		base64_put(b64, "\x00\xffmany h", n > 8 ? 8 : n);
		same &= base64_get(back, b64, BASE64_LEN(n > 8 ? 8 : n)) == (long)(n > 8 ? 8 : n) &&
			!memcmp(back, "\x00\xffmany h", n > 8 ? 8 : n);
	}
	ok(same, "base64 there and back");
	ok(base64_get(back, "QQ==", 4) == 1 && base64_get(back, "QR==", 4) < 0 &&
		   base64_get(back, "Q===", 4) < 0 && base64_get(back, "QQ=", 3) < 0 &&
		   base64_get(back, "QQ==QQ==", 8) < 0 && base64_get(back, "Q Q=", 4) < 0,
	   "base64 has one form");
}

int
main(void)
{
	grammar();
	deep();
	access_to();
	comments();
	taking();
	ints();
	splitting();
	writing();
	printf("1..%d\n", ntests);
	return nfailed > 0;
}
