/* The tests, each in a file of its name.  A quick run is for sanitizers and emulators, which are many times slower. */
#ifndef TESTS_H
#define TESTS_H

#include <stdbool.h>

void test_arguments(bool quick);
void test_levels(bool quick);
void test_sums(bool quick);
void test_rounding(bool quick);
void test_large(bool quick);
void test_huge(bool quick);
void test_threads(bool quick);

#endif
