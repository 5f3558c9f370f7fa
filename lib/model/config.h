/*
 * config.json of a checkpoint.  A key is a list of spellings, the first that is there and
 * not null counts; a dot goes into an object:
 * "rope_parameters.rope_theta|rope_theta", "num_local_experts|num_experts".
 */
#ifndef MODEL_CONFIG_H
#define MODEL_CONFIG_H

#include "../format/json.h"

enum { MODEL_WHY = 1024 }; /* bytes of a reason, in all of lib/model */

struct config {
	char *file; /* DIR/config.json */
	char *text;
	struct json json;
};

/* Sets why [MODEL_WHY]; returns -1. */
int model_why(char *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* 0, or -1 and why [MODEL_WHY].  Free it once after 0. */
int config_open(struct config *c, const char *dir, char *why);
void config_free(struct config *c);

/* The value number of c->json, or -1: none of the spellings. */
int config_find(const struct config *c, const char *keys);
int config_has(const struct config *c, const char *keys);
/* An integer in lo .. hi, a finite number, true or false; *to stays as it is where the key
 * is absent.  0, or -1 and why ("FILE: d_model: not an integer from 1 to 65536"). */
int config_u64(const struct config *c, const char *keys, uint64_t lo, uint64_t hi, uint64_t *to,
	       char *why);
int config_f64(const struct config *c, const char *keys, double *to, char *why);
int config_bool(const struct config *c, const char *keys, int *to, char *why);
/* 0, or -1 and why: the key must be there. */
int config_need(const struct config *c, const char *keys, char *why);
/* A string into to: its length; 0 absent; -1 and why where it is none or does not fit. */
int config_text(const struct config *c, const char *keys, char *to, size_t size, char *why);
/* Is it that string? */
int config_is(const struct config *c, const char *keys, const char *word);

#endif
