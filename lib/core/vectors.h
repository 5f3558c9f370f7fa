/*
 * VECTORS before a function: its loops become vectors, of the width of the machine it
 * runs on.  Without fused operations each width has the same bits.
 */
#ifndef VECTORS_H
#define VECTORS_H

#if defined __x86_64__ && !defined __clang__ && __GNUC__ >= 12 && !defined __SANITIZE_ADDRESS__
#define VECTORS __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define VECTORS
#endif

#endif
