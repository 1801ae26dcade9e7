/*
 * test.h - what a test program needs, and no more.
 *
 * A test is a function `static void name(void)` that calls CHECK any number of
 * times; RUN(name) runs it and counts it as passed when every CHECK in it held.
 * main ends with `return test_end();`, which prints `N passed, N failed`.
 */
#ifndef TEST_H
#define TEST_H

#include <stdio.h>

static int test_passed, test_failed, test_bad;

#define CHECK(what) \
	((what) ? (void)0 : (test_bad++, (void)printf("%s:%d: %s: failed: %s\n", \
	    __FILE__, __LINE__, __func__, #what)))

#define RUN(test) \
	do { \
		int test_before = test_bad; \
		test(); \
		if (test_bad == test_before) \
			test_passed++; \
		else \
			test_failed++; \
		fflush(stdout); \
	} while (0)

static inline int test_end(void)
{
	printf("%d passed, %d failed\n", test_passed, test_failed);
	return test_failed != 0;
}

#endif
