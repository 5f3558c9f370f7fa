/* Hits of a cache of experts: what a layer's picks, one after another, find in it. */
#ifndef CACHE_H
#define CACHE_H

#include <stdint.h>

/*
 * pick [n]: experts, each below experts.  A pick that is not in the cache is a
 * miss, and is put in; what goes is the policy's choice.  Caches start empty,
 * that of cache_static full.  hits: picks found.  Returns 0, TR_ENOMEM, or
 * TR_ELIMIT where n is 2^32 - 1 or more.
 */
/* Least recently used goes; hits [experts + 1], those of each size at once. */
int cache_lru(const uint16_t *pick, uint64_t n, uint32_t experts, uint64_t *hits);
/* Least often picked since the start goes, of equals the least recently used. */
int cache_lfu(const uint16_t *pick, uint64_t n, uint32_t experts, uint32_t size, uint64_t *hits);
/* What is picked again last, or never, goes (Belady 1966): no policy has more hits. */
int cache_belady(const uint16_t *pick, uint64_t n, uint32_t experts, uint32_t size, uint64_t *hits);
/* The experts picked most in all of n, and nothing goes. */
int cache_static(const uint16_t *pick, uint64_t n, uint32_t experts, uint32_t size, uint64_t *hits);

#endif
